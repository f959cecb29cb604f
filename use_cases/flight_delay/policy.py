"""The bars of flight delay. Every number was chosen on predictions made before July 2013; the figures beside them are why."""

from datetime import timedelta

from headrace.use_case import Policy

POLICY = Policy(
    # Eight honest candidates reached 0.72 to 0.78 on their holdouts; the delay at departure, which leaks, reaches 0.90 alone.
    metric="holdout/roc_auc",
    suspicion_limit=0.85,
    # The strongest single feature (local departure time) reached 0.60 to 0.68.
    max_feature_auc=0.75,
    # Trees from 10,000 rows (eleven days) lost to the business rule in one month of three, from 20,000 in none. Nine thousand
    # are ten days, the fewest that a bound over days is computed for.
    min_training_rows=20_000,
    min_holdout_rows=9_000,
    # Better, with 95 % confidence, and no more: of 12 pairs of candidates that differed in their seed only (gains up to
    # 0.0017 nats) none passed. Whole days are resampled: between two models, the standard error over days was 2 to 8 times that
    # over flights, which would have promoted luck.
    min_gain=0.0,
    confidence_fraction=0.95,
    resample_by=timedelta(days=1),
    # A hundredth of a nat is a fifth of what a model gains over the business rule. Of the 12 pairs none lost that much, beyond
    # doubt, on any slice of 500 flights; of 28 pairs of candidates of different age four did.
    slices=("carrier", "origin"),
    min_slice_rows=500,
    max_slice_loss=0.01,
    # How often was this carrier late at this local hour: what an experienced dispatcher knows.
    baseline={"carrier": None, "departure_minute_of_day": 60.0},
    required_tags=("use_case", "owner", "as_of", "commit", "features_version"),
    # Log loss follows the weather: weeks of one healthy model lay between 0.39 and 0.68, because between 14 % and 46 % of their
    # flights were late. Divided by the entropy of the window's own rate and taken over fortnights, it moves by 0.022 (standard
    # deviation) while nothing is wrong, and rises by 0.06 to 0.07 when the feed of outcomes stops, when the clock is five hours
    # off, or when half of the late flights vanish (simulated; plain log loss rises by 0.04 or less, against a deviation of
    # 0.055, and falls in the last case). Of 17 pairs of healthy fortnights the better one never lay above 0.029.
    window=timedelta(days=14),
    performance_metric="live/normalized_log_loss",
    max_performance_drop=0.035,
    # Temperature has a PSI of 0.5 to 3.4 from one four weeks to the next, and 14 between winter and June, without harm. In the
    # season view 20 % to 34 % of the features lay above 0.25 in each of ten windows, schedule and aircraft at about 0.01; half
    # of the features would be something else.
    drift_threshold=0.25,
    max_drifted_fraction=0.5,
    drift_view="season",
    drift_sample_rows=10_000,
    persistence=2,
    # Age is what foretells the gain of a retraining (correlation 0.4 to 0.7; none of six live metrics has one above 0): 0.00 to
    # 0.02 nats at four weeks, 0.01 to 0.02 at eight, 0.02 to 0.04 at ten. Against a champion of 60 days three challengers of
    # three could prove theirs, of 30 days one of five.
    max_age=timedelta(days=60),
    # One holdout: sooner, a challenger would be judged on days that judged its predecessor.
    cool_down=timedelta(days=28),
    # Two weeks of flights: fewer change nothing that a holdout of four could show.
    min_new_labels=12_000,
    # Six of age and as many of trouble.
    budget=12,
    budget_window=timedelta(days=365),
    # No other figure of the holdout is bounded, from below or from above.
    floors={},
    ceilings={},
    # Of what the model server does: nineteen of twenty requests within a second. A window with fewer than twenty is not judged.
    live_floors={},
    live_ceilings={"service/latency_p95_ms": 1_000.0},
    min_live_rows=20,
)
