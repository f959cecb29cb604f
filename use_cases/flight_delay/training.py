"""How candidates of flight delay are built (provisional)."""

from datetime import timedelta

from headrace.use_case import TrainingSpec

TRAINING = TrainingSpec(
    holdout=timedelta(days=21),
    validation=timedelta(days=21),
    history=None,
    trials=4,
    tuning_rows=20_000,
    search={"num_leaves": (15, 63), "min_data_in_leaf": (50, 1_000), "feature_fraction": (0.3, 0.9), "lambda_l2": (1.0, 100.0)},
    known_good={"num_leaves": 31, "min_data_in_leaf": 200, "feature_fraction": 0.5, "lambda_l2": 10.0},
    fixed={"learning_rate": 0.1},
    max_rounds=150,
    explained_rows=500,
)
