"""Purchases with a label: rows that a candidate can be built from in a quarter of a second."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from headrace.models.splits import LABEL_KNOWN_AT, PREDICTED_AT
from headrace.use_case import Policy, TrainingSpec
from tests.serving.tiny import SHOPS, TINY

START = datetime(2013, 1, 1, tzinfo=UTC)
DAYS, ROWS_A_DAY = 60, 40
AS_OF = START + timedelta(days=DAYS)

TRAINING = TrainingSpec(
    holdout=timedelta(days=12),
    validation=timedelta(days=10),
    history=None,
    trials=2,
    tuning_rows=500,
    search={"num_leaves": (3, 7), "lambda_l2": (0.1, 10.0)},
    known_good={"num_leaves": 4, "lambda_l2": 1.0},
    min_search_gain=0.0,
    fixed={"learning_rate": 0.2, "min_data_in_leaf": 20},
    max_rounds=20,
    explained_rows=50,
)

POLICY = Policy(
    metric="holdout/roc_auc",
    suspicion_limit=0.9,
    max_feature_auc=0.9,
    min_training_rows=100,
    min_holdout_rows=100,
    min_gain=0.0,
    confidence_fraction=0.95,
    resample_by=timedelta(days=1),
    slices=("shop",),
    min_slice_rows=50,
    max_slice_loss=0.01,
    baseline={"shop": None, "hour": 6.0},
    required_tags=("commit",),
    window=timedelta(days=7),
    performance_metric="live/log_loss",
    max_performance_drop=0.1,
    drift_threshold=0.25,
    max_drifted_fraction=0.5,
    drift_view="training",
    drift_sample_rows=200,
    persistence=2,
    max_age=timedelta(days=60),
    cool_down=timedelta(days=7),
    min_new_labels=100,
    budget=5,
    budget_window=timedelta(days=365),
    floors={},
    ceilings={},
    live_floors={},
    live_ceilings={},
    min_live_rows=20,
)

CASE = replace(TINY, training=TRAINING, policy=POLICY)
LABEL, KEY = CASE.label.name, CASE.features.key


def labelled_purchases(*, seed: int = 0) -> pl.DataFrame:
    """Sixty days of purchases: dear ones bought at night in the north come back; one in twenty has no label."""
    generator = np.random.default_rng(seed)
    count = DAYS * ROWS_A_DAY
    hours, amounts = generator.integers(0, 24, count).astype(float), generator.uniform(1, 100, count)
    shops = generator.integers(0, len(SHOPS), count)
    odds = amounts / 25 - 3.5 + (hours > 18) + (shops == 0)
    labels = (generator.uniform(size=count) < 1 / (1 + np.exp(-odds))).astype(float)
    days = np.repeat(np.arange(DAYS), ROWS_A_DAY)
    return pl.DataFrame(
        {
            KEY[0]: [f"p{number:05}" for number in range(count)],
            "features_version": np.full(count, CASE.features.version),
            "shop": [SHOPS[place] for place in shops],
            "amount_eur": amounts,
            "hour": hours,
            "shop_return_fraction": np.where(generator.uniform(size=count) < 0.1, np.nan, generator.uniform(0, 0.5, count)),
            PREDICTED_AT: [START + timedelta(days=int(day), hours=int(hour)) for day, hour in zip(days, hours, strict=True)],
            LABEL: [None if number % 20 == 0 else label for number, label in enumerate(labels)],
        },
        schema_overrides={PREDICTED_AT: pl.Datetime("us", "UTC"), LABEL: pl.Float64},
    ).with_columns(pl.col("shop_return_fraction").fill_nan(None), (pl.col(PREDICTED_AT) + timedelta(hours=6)).alias(LABEL_KNOWN_AT))
