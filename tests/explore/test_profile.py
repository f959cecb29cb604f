"""What a profile says of a column."""

from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.explore.profile import BIN_COUNT, count_bins, measure_columns
from headrace.explore.words import format_value
from tests.lake.tiny_contract import NOON, build_contract


def profile(contract=None, **columns):
    return {column.name: column for column in measure_columns(pl.DataFrame(columns), contract)}


def test_meaning_and_unit_are_those_of_the_contract():
    found = profile(build_contract(), delay_minutes=[1.0, None], _source=["a", "a"], unknown=[1, 2])
    assert (found["delay_minutes"].meaning, found["delay_minutes"].unit, found["delay_minutes"].type_word) == ("Delay.", "minutes", "float64")
    assert found["_source"].meaning == "Where the row came from."
    assert found["unknown"].meaning == ""


def test_a_number_has_its_quartiles_and_what_is_no_number_is_missing():
    column = profile(x=[0.0, 1.0, 2.0, 3.0, 4.0, None, float("nan")])["x"]
    assert column.values == "0 · 1 · 2 · 3 · 4"
    assert (column.null_count, column.distinct_count) == (2, 5)


def test_of_bytes_only_their_sizes_are_told():
    column = profile(content=[b"secret", b"", None])["content"]
    assert (column.type_word, column.values, column.bars) == ("binary", "0 to 6 bytes", [])


def test_of_vectors_only_their_lengths_are_told():
    column = profile(embedding=pl.Series([[0.5, 1.0], None], dtype=pl.List(pl.Float32)))["embedding"]
    assert (column.type_word, column.values, column.null_count, column.bars) == ("vector", "vectors of 2 to 2 numbers", 1, [])


def test_few_different_numbers_are_counted_one_by_one():
    column = profile(weekday=[1, 1, 7])["weekday"]
    assert dict(zip(column.hints, column.bars, strict=True)) == {"1": 2, "7": 1}


def test_a_column_with_one_value_says_so_and_draws_nothing():
    found = profile(version=[3, 3], flag=[True, True], empty=[None, None])
    assert found["version"].values == "always 3"
    assert found["flag"].values == "true 100%"
    assert found["empty"].values == "no value"
    assert [list(column.bars) for column in found.values()] == [[], [], []]


def test_names_are_listed_by_frequency_and_the_rest_is_counted():
    column = profile(carrier=["UA"] * 4 + ["AA"] * 3 + list("bcdefg"))["carrier"]
    assert column.values.startswith("UA 31% · AA 23% · b 8%")
    assert column.values.endswith(" · 3 more")


def test_names_that_all_differ_are_not_listed():
    assert profile(trip_id=[f"trip-{number}" for number in range(9)])["trip_id"].values == "every value differs"


def test_instants_and_dates_have_first_middle_and_last():
    instants = [NOON + timedelta(days=day) for day in range(3)]
    found = profile(at=instants, on=[instant.date() for instant in instants])
    assert found["at"].values == "2013-01-01 12:00 · 2013-01-02 12:00 · 2013-01-03 12:00"
    assert found["on"].values == "2013-01-01 · 2013-01-02 · 2013-01-03"
    assert sum(found["on"].bars) == 3


def test_bins_count_every_finite_value_and_one_absurd_value_does_not_flatten_the_rest():
    values = pl.Series([float(number) for number in range(1000)] + [1e12, float("inf")])
    bins = count_bins(values, format_value)
    assert len(bins) == BIN_COUNT
    assert sum(bins.values()) == 1001
    assert max(bins.values()) < 60


def test_an_instant_bin_is_named_by_its_instants():
    start = datetime(2013, 1, 1, tzinfo=UTC)
    column = profile(at=[start + timedelta(hours=hour) for hour in range(100)])["at"]
    assert column.hints[0].startswith("2013-01-01 ")
    assert sum(column.bars) == 100
