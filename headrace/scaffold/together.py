"""What all features tell together: a quick model on the older half, judged on the newer. Two columns may tell what neither tells alone."""

from collections.abc import Sequence

import lightgbm
import polars as pl

from headrace.models.encoding import encode, fit_categories
from headrace.models.lightgbm import REPRODUCIBLE, predict_scores
from headrace.scaffold.labels import Target
from headrace.scaffold.roles import Feature, feature_values

# Better than this on newer rows is too good to be true; the policy's suspicion limit is the same.
SUSPICIOUS_AUC = 0.995

_ROWS, _ROUNDS = 20_000, 60


def measure_together(rows: pl.DataFrame, target: Target, features: Sequence[Feature], *, time: str) -> tuple[float | None, list[str]]:
    """Judge a quick model of all features.

    Args:
        rows: The table.
        target: What is predicted.
        features: The features.
        time: Column of the row's instant.

    Returns:
        ROC AUC (of numbers: concordance) on the newer half (None where it cannot be computed), and the two features that told most.
    """
    columns = [feature_values(feature, time=time).alias(feature.name) for feature in features]
    table = rows.with_columns(target.build(rows)).filter(pl.col("_label").is_not_null()).sort(time).select("_label", *columns)
    table = table.gather_every(max(1, table.height // _ROWS))
    older, newer = table.head(table.height // 2), table.tail(table.height - table.height // 2)
    names = [feature.name for feature in features]
    categories = fit_categories(older, [feature.name for feature in features if feature.kind == "category"])
    outcomes = target.kind.list_outcomes(older["_label"])
    data = lightgbm.Dataset(
        encode(older, features=names, categories=categories),
        label=target.kind.encode(older["_label"], outcomes),
        feature_name=names,
        categorical_feature=list(categories),
        params=REPRODUCIBLE,
    )
    booster = lightgbm.train(
        {**REPRODUCIBLE, **target.kind.objective(outcomes), "num_leaves": 15, "num_threads": 1, "seed": 0}, data, num_boost_round=_ROUNDS
    )
    scores = predict_scores(booster, encode(newer, features=names, categories=categories), threads=1)
    auc = target.kind.rank(newer["_label"], scores, outcomes)
    gains = sorted(zip(booster.feature_importance("gain"), names, strict=True), reverse=True)
    return auc, [name for _, name in gains[:2]]
