"""The bars of flight delay (provisional)."""

from datetime import timedelta

from headrace.use_case import Policy

POLICY = Policy(
    metric="holdout/roc_auc",
    suspicion_limit=0.85,
    max_feature_auc=0.75,
    min_training_rows=10_000,
    min_holdout_rows=5_000,
    min_gain=0.0,
    confidence_fraction=0.95,
    resample_by=timedelta(days=1),
    slices=("carrier", "origin"),
    min_slice_rows=500,
    max_slice_loss=0.01,
    baseline={"carrier": None, "departure_minute_of_day": 60.0},
    required_tags=("use_case", "as_of", "commit", "model_id"),
    window=timedelta(days=7),
    performance_metric="live/log_loss",
    max_performance_drop=0.05,
    drift_threshold=0.25,
    max_drifted_fraction=0.3,
    drift_view="season",
    drift_sample_rows=10_000,
    persistence=2,
    max_age=timedelta(days=90),
    cool_down=timedelta(days=28),
    min_new_labels=10_000,
    budget=6,
    budget_window=timedelta(days=365),
)
