"""The label: a flight is late when it arrives 15 minutes or more after schedule.

Fifteen minutes is the bound that the United States Department of Transportation counts by (14 CFR 234.2, "on time").

Cancelled and diverted flights have no arrival, and get no label rather than an invented one. Counting them as late would
teach a second question ("will it fly at all?") that has other causes, other remedies (rebooking, not waiting) and, at 2.8 %
of the flights, too few rows to hold its own in one model; counting them as punctual would be false. They still teach:
cancellations are features of the hours that follow. The cost is a promise to state with every figure: probabilities are
those of being late *given that the flight arrives where it was going*.
"""

from datetime import timedelta

import polars as pl

from headrace.features.views import Inputs
from headrace.use_case import Label

LATE_MINUTES = 15

NAME = "is_late"


def build_label(inputs: Inputs) -> pl.DataFrame:
    """Label every flight whose outcome is known.

    Returns:
        `flight_id`, `is_late` (1.0, 0.0, null: cancelled or diverted), `known_at` (UTC). Grain: one row per flight.
    """
    is_late = (pl.col("arrival_delay_minutes") >= LATE_MINUTES).cast(pl.Float64)
    return inputs["flight_outcomes"].select("flight_id", is_late.alias(NAME), "known_at")


LABEL = Label(
    name=NAME,
    description=f"Arrives {LATE_MINUTES} minutes or more after schedule. Cancelled and diverted flights have none: they do not arrive.",
    inputs=("flight_outcomes",),
    build=build_label,
    # The slowest outcome of 2013 was known 33.4 h after its scheduled departure, 35.4 h after its prediction.
    matures_after=timedelta(hours=48),
)
