"""Figures that Polars computes are those of Great Expectations, which is asked beside it."""

import polars as pl
import pytest

from headrace.lake.aggregates import judge_figure
from headrace.lake.expectations import Check
from headrace.lake.suites import ask

ROWS = pl.DataFrame(
    {
        "number": [3.5, None, -1.0, 3.5, 8.0, 0.25, None],
        "broken": [3.5, float("nan"), -1.0, 3.5, 8.0, float("nan"), None],
        "count": [1, 2, 2, None, 7, 9, 11],
        "name": ["a", "b", None, "a", "c", "d", "d"],
        "nothing": pl.Series([None] * 7, dtype=pl.Float64),
    }
)

OF_NUMBERS = ("max", "mean", "median", "min", "stdev", "sum")
OF_ANY = ("proportion_of_non_null_values", "proportion_of_unique_values", "unique_value_count")


def _ask_both(asked: list[tuple[str, dict]]) -> list[tuple[bool, bool]]:
    """What Polars says and what Great Expectations says, in one suite."""
    checks = [
        Check(name=f"{number}", type=kind, level="table", severity="critical", column=None, description="", kwargs=arguments)
        for number, (kind, arguments) in enumerate(asked)
    ]
    theirs = ask(ROWS, "silver.brook_depths", checks)
    return [(judge_figure(ROWS, kind, arguments)["success"], theirs[f"{number}"]["success"]) for number, (kind, arguments) in enumerate(asked)]


def _bounds(figure: float, step: float) -> list[dict]:
    """Bounds that a figure lies on, just beyond, and between."""
    on = [{"min_value": figure}, {"max_value": figure}, {"min_value": figure, "max_value": figure + step}]
    return [*on, {"min_value": figure + step}, {"max_value": figure - step}, *({**bounds, "strict_min": True, "strict_max": True} for bounds in on)]


@pytest.mark.parametrize(
    ("column", "figures"), [("number", OF_NUMBERS + OF_ANY), ("broken", OF_NUMBERS + OF_ANY), ("count", OF_NUMBERS + OF_ANY), ("name", OF_ANY)]
)
def test_figures_of_a_column_are_judged_as_great_expectations_would(column, figures):
    asked = []
    for name in figures:
        kind, wide = f"expect_column_{name}_to_be_between", {"column": column, "min_value": -1e9}
        # Great Expectations makes whole numbers of the bounds of a count.
        step = 1 if name == "unique_value_count" else 0.1
        asked += [(kind, {"column": column, **bounds}) for bounds in _bounds(judge_figure(ROWS, kind, wide)["observed_value"], step)]
    said = _ask_both(asked)
    assert {ours for ours, _ in said} == {True, False}
    assert [ours for ours, _ in said] == [theirs for _, theirs in said]


def test_figures_of_a_table_are_judged_as_great_expectations_would():
    kinds = {"expect_table_row_count_to_be_between": 7, "expect_table_column_count_to_be_between": 5}
    assert [judge_figure(ROWS, kind, {"min_value": 0})["observed_value"] for kind in kinds] == [7, 5]
    said = _ask_both([(kind, bounds) for kind, figure in kinds.items() for bounds in _bounds(figure, 1)[:5]])
    assert [ours for ours, _ in said] == [theirs for _, theirs in said] == [True, True, True, False, False] * 2


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("expect_column_mean_to_be_between", {"column": "nothing", "min_value": 0}),
        ("expect_column_max_to_be_between", {"column": "name", "min_value": "a"}),
        ("expect_column_mean_to_be_between", {"column": "number", "min_value": 0, "row_condition": 'col("count") > 1'}),
        ("expect_column_quantile_values_to_be_between", {"column": "number", "quantile_ranges": {}}),
        ("expect_table_columns_to_match_set", {"column_set": ["number"]}),
    ],
    ids=["nothing but nulls", "text", "a condition", "several figures", "no figure"],
)
def test_what_is_no_figure_is_left_to_great_expectations(kind, arguments):
    assert judge_figure(ROWS, kind, arguments) is None
