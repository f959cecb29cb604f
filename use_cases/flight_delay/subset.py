"""The slice of flight delay that staging runs on: LaGuardia in winter, a few thousand flights, with windows and bars that fit them.

It runs the same code against the same contracts and gates in under a minute. Its bars ask whether the rails work, not whether the
model is good: on so few flights no challenger could prove that it is better.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.use_case import Replay, Subset
from use_cases.flight_delay.policy import POLICY
from use_cases.flight_delay.training import TRAINING

_FROM_LAGUARDIA = pl.col("origin") == "LGA"

SUBSET = Subset(
    rows={"flight_schedules": _FROM_LAGUARDIA, "flight_outcomes": _FROM_LAGUARDIA, "weather": _FROM_LAGUARDIA},
    training=replace(
        TRAINING,
        holdout=timedelta(days=10),
        validation=timedelta(days=8),
        trials=2,
        tuning_rows=3_000,
        max_rounds=30,
        explained_rows=50,
        fixed={"learning_rate": 0.1, "min_data_in_leaf": 50},
    ),
    policy=replace(
        POLICY,
        min_training_rows=1_000,
        min_holdout_rows=500,
        # A nat is more than any model gains or loses: who is better is not asked.
        min_gain=-1.0,
        max_slice_loss=1.0,
        min_new_labels=100,
        max_age=timedelta(days=20),
        cool_down=timedelta(days=10),
        drift_sample_rows=1_000,
    ),
    # The first tick teaches the first model, the second scores and asks for a retraining, the third has outcomes to judge by.
    replay=Replay(ticks=(datetime(2013, 2, 15, tzinfo=UTC), datetime(2013, 3, 8, tzinfo=UTC), datetime(2013, 3, 29, tzinfo=UTC))),
)
