"""On which scale trees learn: changes from a value that is carried on, logs of numbers that differ by factors."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from headrace.models.baseline import load_baseline
from headrace.models.candidate import CARD, METADATA, read_json, write_json
from headrace.models.kinds.regression import VALUE
from headrace.models.scorer import load_scorer
from headrace.models.splits import PREDICTED_AT
from headrace.models.training import build_candidate
from tests.models.purchases import AS_OF, CASE, LABEL, POLICY, TRAINING, labelled_purchases

BARS = {"metric": "holdout/concordance", "suspicion_limit": 1.1, "max_feature_auc": 1.1, "performance_metric": "live/normalized_squared_error"}
ROWS = labelled_purchases().drop_nulls(LABEL)
NOISE = pl.Series("noise", np.random.default_rng(5).normal(0, 0.2, ROWS.height))

# Every purchase costs some percent more than one of an hour before.
PRICES = ROWS.with_columns((pl.col("amount_eur") / 20 + pl.col("hour") / 8 + NOISE).exp().alias(LABEL))

# What was known grows day by day, and what comes is that and what the hour adds: the last days lie beyond all that trees have seen.
GROWING = ROWS.with_columns(
    ((pl.col(PREDICTED_AT) - ROWS[PREDICTED_AT].min()).dt.total_days().cast(pl.Float64) * 10).alias("amount_eur")
).with_columns((pl.col("amount_eur") + (pl.col("hour") > 12) * 5 + NOISE).alias(LABEL))


def build(folder, rows, *, kind, objectives=(), baseline=None, gain=0.0):
    folder.mkdir()
    policy = replace(POLICY, **BARS, **({"baseline": baseline} if baseline else {}))
    case = replace(
        CASE,
        kind=kind,
        policy=policy,
        training=replace(TRAINING, objectives=objectives, trials=2 + len(objectives), max_rounds=400, min_search_gain=gain),
    )
    return build_candidate(rows, case=case, as_of=AS_OF, seed=1, threads=1, folder=folder, provenance={"commit": "abc"})


def test_where_prices_differ_by_factors_the_search_finds_the_objective_whose_trees_add_logs(tmp_path):
    plain = build(tmp_path / "plain", PRICES, kind="regression")
    tried = build(tmp_path / "tried", PRICES, kind="regression", objectives=("poisson", "tweedie"))
    assert tried.metrics["cross_fitted/mean_squared_error"] < plain.metrics["cross_fitted/mean_squared_error"]
    assert tried.metrics["holdout/prediction_mean"] == pytest.approx(tried.metrics["holdout/label_mean"], rel=0.1)
    assert tried.candidate.params["objective"] == "tweedie"
    assert "its trees add logs (tweedie objective)" in (tmp_path / "tried" / CARD).read_text()


def test_an_objective_that_gains_too_little_is_not_chosen(tmp_path):
    report = build(tmp_path / "tried", PRICES, kind="regression", objectives=("poisson", "tweedie"), gain=1e9)
    assert report.candidate.params["objective"] == "regression"
    assert "add logs" not in (tmp_path / "tried" / CARD).read_text()


@pytest.mark.parametrize(
    ("rows", "kind", "reason"),
    [
        (PRICES.with_columns(pl.col(LABEL) - 2), "regression", "labels are negative, objectives=poisson take none; take them out"),
        (ROWS, "binary", "kind binary offers no other than its own, not objectives=poisson"),
        (GROWING, "forecast", "kind forecast offers no other than its own, not objectives=poisson"),
    ],
)
def test_an_objective_that_does_not_fit_trains_nothing(tmp_path, rows, kind, reason):
    report = build(tmp_path / "none", rows, kind=kind, objectives=("poisson",), baseline={"amount_eur": None} if kind == "forecast" else None)
    assert not report.decision.passed
    assert reason in report.decision.reason
    assert list((tmp_path / "none").iterdir()) == []


def test_a_forecast_follows_values_beyond_those_it_has_seen(tmp_path):
    value = build(tmp_path / "value", GROWING, kind="regression")
    change = build(tmp_path / "change", GROWING, kind="forecast", baseline={"amount_eur": None})
    assert value.metrics["holdout/mean_squared_error"] > 1000
    assert change.metrics["holdout/mean_squared_error"] < 1
    assert change.metrics["holdout/interval_coverage_fraction"] > 0.8
    assert "its trees say the change from the business rule" in (tmp_path / "change" / CARD).read_text()


def test_what_is_served_starts_where_the_rule_does(tmp_path):
    build(tmp_path / "change", GROWING, kind="forecast", baseline={"amount_eur": None})
    scorer = load_scorer(tmp_path / "change")
    unknown = GROWING.head(1).with_columns(pl.lit(None, dtype=pl.Float64).alias("amount_eur"))
    asked = pl.concat([GROWING.tail(5), unknown])
    [values, *_] = scorer.kind.to_columns(scorer.predict(asked), scorer.outcomes)
    assert values.name == VALUE
    started = load_baseline(tmp_path / "change").predict(asked)
    assert np.abs(values.to_numpy() - started).max() < 10

    # One that was written before says the value, and is not added to anything.
    old = read_json(tmp_path / "change" / METADATA) | {"learns_change": False}
    write_json(tmp_path / "change" / METADATA, old)
    [alone, *_] = load_scorer(tmp_path / "change").kind.to_columns(load_scorer(tmp_path / "change").predict(asked), ())
    np.testing.assert_allclose(alone.to_numpy() + started, values.to_numpy())
