"""The real use case, made small: one airport, three ticks, few trees. Same code, same contracts, same gates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from headrace import use_case as use_cases
from headrace.use_case import UseCase
from use_cases.flight_delay.source import NewYorkFlights

TICKS = (datetime(2013, 2, 15, tzinfo=UTC), datetime(2013, 3, 8, tzinfo=UTC), datetime(2013, 3, 29, tzinfo=UTC))


def small_flights() -> UseCase:
    """`flight_delay` from LaGuardia in winter, with windows and bars that fit a few thousand rows."""
    full = use_cases.load("flight_delay")
    training = replace(
        full.training,
        holdout=timedelta(days=10),
        validation=timedelta(days=8),
        trials=2,
        tuning_rows=3_000,
        max_rounds=30,
        explained_rows=50,
        fixed={"learning_rate": 0.1, "min_data_in_leaf": 50},
    )
    policy = replace(
        full.policy,
        min_training_rows=1_000,
        min_holdout_rows=500,
        min_gain=-1.0,
        max_slice_loss=1.0,
        min_new_labels=100,
        max_age=timedelta(days=20),
        cool_down=timedelta(days=10),
        drift_sample_rows=1_000,
    )
    source = NewYorkFlights(origins=("LGA",))
    return replace(full, source=source, training=training, policy=policy, replay=replace(full.replay, ticks=TICKS))
