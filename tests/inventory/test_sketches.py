"""A sketch tells the shape of a column and no secret."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.inventory.sketches import BARS, SHARED_BY, SHOWN_VALUES, build_sketch, build_sketches
from tests.lake.tiny_contract import build_contract, build_rows

PERSON = "ada@example.org"


def test_numbers_become_bars_between_their_ends():
    sketch = build_sketch(pl.Series([0.0, 0.0, 12.0, 24.0, None]))
    assert (sketch.low, sketch.high, sketch.null_count, sketch.distinct_count) == ("0", "24", 1, 3)
    assert (sketch.bars[0], sketch.bars[-1], sum(sketch.bars), len(sketch.bars)) == (2, 1, 4, BARS)


def test_instants_far_apart_are_told_by_their_days():
    sketch = build_sketch(pl.Series([datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)]))
    assert (sketch.low, sketch.high) == ("2013-01-01", "2013-03-01")
    close = build_sketch(pl.Series([datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 1, 6, tzinfo=UTC)]))
    assert (close.low, close.high) == ("2013-01-01 05:00", "2013-01-01 06:00")
    assert build_sketch(pl.Series([date(2013, 1, 1)])).bars == (1,)


def test_bytes_are_counted_and_not_shown():
    sketch = build_sketch(pl.Series([b"secret", b"secret", None]))
    assert (sketch.null_count, sketch.distinct_count, sketch.values, sketch.hidden) == (1, 1, (), "values of type Binary")


def test_vectors_are_counted_and_not_shown():
    sketch = build_sketch(pl.Series([[0.5], [0.5], None], dtype=pl.List(pl.Float32)))
    assert (sketch.null_count, sketch.distinct_count, sketch.values, sketch.hidden) == (1, 1, (), "values of type List(Float32)")


def test_flags_become_shares():
    assert build_sketch(pl.Series([True, False, False])).values == (("false", 2), ("true", 1))


def test_texts_are_shown_where_enough_rows_share_them():
    sketch = build_sketch(pl.Series(["UA"] * SHARED_BY + ["AA"] * (SHARED_BY - 1)))
    assert sketch.values == (("UA", SHARED_BY),)
    assert sketch.distinct_count == 2


def test_a_rare_text_of_a_large_sample_is_not_shown():
    assert build_sketch(pl.Series(["UA"] * 1000 + ["Lovelace"] * 9)).values == (("UA", 1000),)


def test_a_rare_text_is_shown_where_the_contract_lists_it():
    assert build_sketch(pl.Series(["UA", "XX"]), listed=("UA", "AA")).values == (("UA", 1),)


def test_of_a_column_with_a_long_text_no_value_is_shown():
    sketch = build_sketch(pl.Series(["UA"] * 50 + ["x" * 40]))
    assert (sketch.values, sketch.hidden) == ((), "long texts")


@pytest.mark.parametrize("telling", [PERSON, '{"age": 61}', "[61]"])
def test_a_text_that_may_hold_a_person_is_not_shown_though_no_contract_says_so(telling):
    sketch = build_sketch(pl.Series([telling] * 50 + ["UA"] * 50))
    assert (sketch.values, sketch.hidden) == ((), "JSON or addresses")


@pytest.mark.parametrize(
    "values", [[PERSON] * 100, [170_000.5] * 100, [True] * 100, [date(1980, 5, 1)] * 100], ids=["text", "number", "flag", "date"]
)
def test_a_personal_column_is_counts_only(values):
    sketch = build_sketches(pl.DataFrame({"carrier": values}), build_contract(), personal={"carrier"})["carrier"]
    assert (sketch.low, sketch.high, sketch.bars, sketch.values, sketch.hidden) == (None, None, (), (), "personal")
    assert (sketch.row_count, sketch.distinct_count) == (100, 1)


def test_a_column_that_no_contract_describes_is_counts_only():
    sample = pl.DataFrame({"carrier": ["UA"] * 9, "nickname": ["bee"] * 9, "_source": ["file"] * 9})
    sketches = build_sketches(sample, build_contract(), personal=())
    assert sketches["carrier"].values
    assert sketches["_source"].values
    assert sketches["nickname"].hidden == "no contract says what it holds"
    assert not build_sketches(sample, None, personal=())["carrier"].values


def test_every_column_of_a_table_has_a_sketch():
    assert list(build_sketches(build_rows(), build_contract(), personal=())) == build_rows().columns


@pytest.mark.parametrize("values", [pl.Series([], dtype=pl.Float64), pl.Series([None, None], dtype=pl.String), pl.Series([float("nan")])])
def test_a_column_without_a_value_says_so(values):
    sketch = build_sketch(values)
    assert (sketch.bars, sketch.values) == ((), ())
    assert sketch.hidden in ("no value", "no finite value")


@given(st.lists(st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, 1.0])), min_size=1))
def test_bars_hold_every_finite_value_once(values):
    column = pl.Series(values, dtype=pl.Float64)
    sketch = build_sketch(column)
    assert sum(sketch.bars) == column.is_finite().sum()


@given(st.lists(st.sampled_from("abcdefg"), max_size=60))
def test_no_text_is_shown_that_few_rows_share(values):
    shown = build_sketch(pl.Series(values, dtype=pl.String)).values
    assert len(shown) <= SHOWN_VALUES
    assert all(values.count(value) == rows >= SHARED_BY for value, rows in shown)
