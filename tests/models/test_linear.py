import numpy as np
import polars as pl

from headrace.models.candidate import LINEAR, write_json
from headrace.models.encoding import fit_categories
from headrace.models.kinds import load_kind
from headrace.models.linear import Linear, fit_linear, load_linear
from tests.models.purchases import CASE, LABEL, labelled_purchases

ROWS = labelled_purchases().drop_nulls(LABEL)
FEATURES = CASE.features.names


def fitted() -> Linear:
    return fit_linear(
        ROWS,
        kind=load_kind("binary"),
        label=LABEL,
        outcomes=(),
        features=FEATURES,
        categories=fit_categories(ROWS, CASE.features.categorical),
        seed=0,
    )


def test_it_finds_what_raises_the_odds():
    numbers = [name for name in FEATURES if name not in CASE.features.categorical]
    coefficients = dict(zip(numbers, fitted().coefficients[0], strict=False))
    assert coefficients["amount_eur"] > 0.5
    assert abs(coefficients["shop_return_fraction"]) < 0.2


def test_what_is_missing_or_unknown_still_gets_a_probability():
    rows = ROWS.head(2).with_columns(pl.lit(None, dtype=pl.Float64).alias("amount_eur"), pl.lit("nowhere").alias("shop"))
    assert ((fitted().predict(rows) > 0) & (fitted().predict(rows) < 1)).all()


def test_a_feature_that_is_null_throughout_changes_nothing():
    rows = ROWS.with_columns(pl.lit(None, dtype=pl.Float64).alias("shop_return_fraction"))
    model = fit_linear(rows, kind=load_kind("binary"), label=LABEL, outcomes=(), features=FEATURES, categories={"shop": ("north", "south")}, seed=0)
    assert np.isfinite(model.predict(rows)).all()


def test_the_stored_model_predicts_the_same(tmp_path):
    model = fitted()
    write_json(tmp_path / LINEAR, model.as_json())
    assert np.array_equal(load_linear(tmp_path).predict(ROWS), model.predict(ROWS))
