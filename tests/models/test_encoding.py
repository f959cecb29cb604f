import numpy as np
import polars as pl
import pytest

from headrace.errors import CandidateError
from headrace.models.encoding import encode, fit_categories

ROWS = pl.DataFrame({"carrier": ["UA", "AA", None, "ZZ"], "distance": [1.0, None, 3.0, 4.0]})
FEATURES = ("distance", "carrier")
CATEGORIES = {"carrier": ("AA", "UA")}


def test_columns_come_in_the_stored_order_whatever_order_the_rows_have():
    matrix = encode(ROWS, features=FEATURES, categories=CATEGORIES)
    assert np.array_equal(encode(ROWS.select("carrier", "distance"), features=FEATURES, categories=CATEGORIES), matrix, equal_nan=True)
    assert matrix[0].tolist() == [1.0, 1.0]


def test_nulls_and_categories_never_seen_are_not_numbers():
    matrix = encode(ROWS, features=FEATURES, categories=CATEGORIES)
    assert np.isnan(matrix[1, 0])
    assert np.isnan(matrix[2:, 1]).all()


def test_codes_do_not_depend_on_the_order_of_rows():
    assert fit_categories(ROWS, ["carrier"]) == fit_categories(ROWS.reverse(), ["carrier"]) == {"carrier": ("AA", "UA", "ZZ")}


def test_a_category_that_is_null_throughout_can_be_encoded():
    rows = pl.DataFrame({"carrier": [None, None]})
    assert np.isnan(encode(rows, features=("carrier",), categories=fit_categories(rows, ["carrier"]))).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(ROWS.drop("distance"), "the rows lack distance; the model needs 2 features", id="missing feature"),
        pytest.param(ROWS.cast({"distance": pl.String}), "distance is String; categories", id="text where a number belongs"),
        pytest.param(ROWS.with_columns(carrier=pl.lit(1.0)), "carrier is Float64", id="number where a category belongs"),
    ],
)
def test_rows_that_the_model_cannot_read_are_refused(rows, message):
    with pytest.raises(CandidateError, match=message):
        encode(rows, features=FEATURES, categories=CATEGORIES)
