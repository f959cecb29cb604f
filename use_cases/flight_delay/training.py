"""How candidates of flight delay are built (provisional)."""

from datetime import timedelta

from headrace.use_case import TrainingSpec

TRAINING = TrainingSpec(
    holdout=timedelta(days=28),
    validation=timedelta(days=21),
    history=None,
    trials=4,
    tuning_rows=60_000,
    search={"num_leaves": (15, 63), "feature_fraction": (0.3, 0.9), "lambda_l2": (1.0, 50.0)},
    known_good={"num_leaves": 31, "feature_fraction": 0.5, "lambda_l2": 10.0},
    min_search_gain=0.002,
    fixed={"learning_rate": 0.1, "min_data_in_leaf": 2_000},
    max_rounds=150,
    explained_rows=500,
)
