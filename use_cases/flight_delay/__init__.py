"""Flight delay: will a flight that leaves New York arrive 15 minutes late or more? Asked two hours before departure."""

from datetime import UTC, datetime

from headrace.use_case import Replay, UseCase
from use_cases.flight_delay import refine
from use_cases.flight_delay.features import FEATURES
from use_cases.flight_delay.label import LABEL
from use_cases.flight_delay.policy import POLICY
from use_cases.flight_delay.source import NewYorkFlights
from use_cases.flight_delay.subset import SUBSET
from use_cases.flight_delay.training import TRAINING

# The first months teach the first model; from then on the year is replayed month by month.
REPLAY = Replay(ticks=(*(datetime(2013, month, 1, tzinfo=UTC) for month in range(4, 13)), datetime(2014, 1, 1, tzinfo=UTC)))

USE_CASE = UseCase(
    name="flight_delay",
    title="Will a flight leaving New York arrive 15 minutes late or more?",
    kind="binary",
    owner="operations-analytics@headrace.example",
    source=NewYorkFlights(),
    feeds={
        "flight_schedules": refine.refine_flight_schedules,
        "flight_outcomes": refine.refine_flight_outcomes,
        "weather": refine.refine_weather,
        "planes": refine.refine_planes,
        "airports": refine.refine_airports,
        "airlines": refine.refine_airlines,
    },
    features=FEATURES,
    label=LABEL,
    training=TRAINING,
    policy=POLICY,
    replay=REPLAY,
    subset=SUBSET,
)
