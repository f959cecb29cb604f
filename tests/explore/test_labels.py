"""Labels over time and against a feature, whatever kind of label it is."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.explore.labels import MISSING, OTHERS, choose_period, find_label_kind, group_values, measure_by_feature, measure_over_time

MONDAY = datetime(2013, 1, 7, tzinfo=UTC)


def rows(labels, **columns):
    at = [MONDAY + timedelta(days=4 * number) for number in range(len(labels))]
    return pl.DataFrame({"at": pl.Series(at, dtype=pl.Datetime("us", "UTC")), "label": labels, **columns})


def over_time(labels, **changes):
    return measure_over_time(rows(labels), label="label", time="at", every="1w", **changes)


@pytest.mark.parametrize(
    ("values", "declared", "kind"),
    [
        ([1.0, 0.0, None], "binary", "binary"),
        ([1.0, 0.0], "", "binary"),
        ([0, 1], "regression", "number"),
        ([0.5, 12.0], "", "number"),
        ([0, 1, 2], "multiclass", "classes"),
        (["a", "b"], "binary", "classes"),
        (["a", "b"], "regression", "classes"),
        ([True, False], "", "classes"),
    ],
)
def test_a_label_is_what_the_use_case_declares_as_far_as_its_values_allow(values, declared, kind):
    assert find_label_kind(pl.Series(values), declared=declared) == kind


def test_a_binary_label_has_its_share_in_each_week_of_the_rows_whose_label_is_known():
    measured = over_time([1.0, 0.0, None, 1.0])
    assert measured.groups.rows() == [(MONDAY, 2, 2, 0.5), (MONDAY + timedelta(days=7), 2, 1, 1.0)]
    assert measured.overall == {"share of ones": pytest.approx(2 / 3)}


def test_a_number_has_mean_and_quantiles():
    measured = over_time([10.0, 20.0], declared="regression")
    assert measured.measures == ["10 % quantile", "median", "mean", "90 % quantile"]
    assert measured.groups.row(0)[3:] == (11.0, 15.0, 15.0, 19.0)
    assert not measured.is_share


def test_classes_have_shares_that_add_up_and_rare_ones_are_counted_together():
    names = [*"aabbccddeeff", "g", "h", None]
    measured = over_time(names)
    assert measured.measures == [*"abcdef", OTHERS]
    assert sum(measured.overall.values()) == pytest.approx(1)
    assert measured.overall[OTHERS] == pytest.approx(2 / 14)


def test_numbered_classes_are_shares_too():
    assert over_time([0, 1, 1, 2], declared="multiclass").overall == {"1": 0.5, "0": 0.25, "2": 0.25}


def test_a_number_is_grouped_by_quantiles_and_missing_values_are_a_group():
    found = measure_by_feature(
        rows([1.0, 0.0, 1.0, 1.0, 0.0, 0.0], x=[1.0, 2.0, 3.0, 4.0, None, float("nan")]), label="label", feature="x", group_count=2
    )
    assert found.groups.select("group", "row_count", "share of ones").rows() == [("1 to 2", 2, 0.5), ("3 to 4", 2, 1.0), (MISSING, 2, 0.0)]


def test_few_different_numbers_are_groups_of_their_own():
    assert group_values(pl.Series([7, 1, 1]), group_count=5).to_list() == ["7", "1", "1"]


def test_rare_categories_are_counted_together_behind_the_others():
    names = pl.Series([*(f"{number:02}" for number in range(20) for _ in range(2)), "rare", "seldom", None])
    grouped = group_values(names, group_count=10)
    assert grouped.dtype.categories.to_list() == [*(f"{number:02}" for number in range(20)), "2 others", MISSING]
    assert grouped.to_list()[-3:] == ["2 others", "2 others", MISSING]


@given(values=st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1), group_count=st.integers(2, 20))
def test_every_row_is_in_one_group_and_groups_follow_the_order_of_the_numbers(values, group_count):
    series = pl.Series("x", values, dtype=pl.Float64)
    grouped = pl.DataFrame({"x": series, "group": group_values(series, group_count=group_count)})
    assert grouped["group"].null_count() == 0
    assert (grouped["group"] == MISSING).sum() == series.null_count()
    assert grouped["group"].n_unique() <= group_count + 1
    ordered = grouped.drop_nulls("x").sort("x")["group"].to_physical()
    assert ordered.is_sorted()


def test_without_a_label_there_is_nothing_to_measure():
    assert over_time(pl.Series([], dtype=pl.Float64)).groups.is_empty()
    assert over_time(pl.Series([None, None], dtype=pl.Float64)).overall == {"share of ones": None}
    assert over_time(pl.Series([None, None], dtype=pl.String)).overall == {}


@pytest.mark.parametrize(("days", "every"), [(1, "1h"), (30, "1d"), (365, "1w"), (2_000, "1mo")])
def test_the_period_follows_the_span(days, every):
    assert choose_period(pl.Series([MONDAY, MONDAY + timedelta(days=days)])) == every
    assert choose_period(pl.Series([], dtype=pl.Datetime("us", "UTC"))) == "1w"
