"""Figures of a whole batch, computed by Polars for those expectations of Great Expectations that ask for one figure between two bounds.

Great Expectations would copy the batch to pandas for each, which takes several times the batch's memory. The meaning is its
own, and tests ask both: nulls do not count, bounds are included unless they are strict.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import polars as pl

# None where a column holds nothing to take the figure from.
Figure = float | None

_OF_A_TABLE: Mapping[str, Callable[[pl.DataFrame], Figure]] = {
    "expect_table_row_count_to_be_between": lambda frame: frame.height,
    "expect_table_column_count_to_be_between": lambda frame: frame.width,
}

_OF_A_COLUMN: Mapping[str, Callable[[pl.Series], Figure]] = {
    "expect_column_proportion_of_non_null_values_to_be_between": lambda column: column.count() / column.len(),
    "expect_column_proportion_of_unique_values_to_be_between": lambda column: _share(column.drop_nulls()),
    "expect_column_unique_value_count_to_be_between": lambda column: column.drop_nulls().n_unique(),
}

_OF_NUMBERS: Mapping[str, Callable[[pl.Series], Figure]] = {
    "expect_column_max_to_be_between": lambda column: cast("Figure", column.max()),
    "expect_column_mean_to_be_between": lambda column: cast("Figure", column.mean()),
    "expect_column_median_to_be_between": lambda column: cast("Figure", column.median()),
    "expect_column_min_to_be_between": lambda column: cast("Figure", column.min()),
    "expect_column_stdev_to_be_between": lambda column: cast("Figure", column.std()),
    "expect_column_sum_to_be_between": lambda column: cast("Figure", column.sum() if column.count() else None),
}

_ARGUMENTS = frozenset({"column", "min_value", "max_value", "strict_min", "strict_max"})


def judge_figure(frame: pl.DataFrame, kind: str, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Judge an expectation about one figure of a batch.

    Args:
        frame: The batch; at least one row.
        kind: Great Expectations' name of the expectation.
        arguments: Its arguments in Great Expectations' words.

    Returns:
        `success` and `observed_value` as Great Expectations would give them; None where it has to be asked itself.
    """
    figure = None if set(arguments) - _ARGUMENTS else _find_figure(frame, kind, arguments)
    if figure is None or figure != figure:
        return None
    low, high = arguments.get("min_value"), arguments.get("max_value")
    is_high_enough = low is None or (figure > low if arguments.get("strict_min") else figure >= low)
    is_low_enough = high is None or (figure < high if arguments.get("strict_max") else figure <= high)
    return {"success": bool(is_high_enough and is_low_enough), "observed_value": figure}


def _find_figure(frame: pl.DataFrame, kind: str, arguments: Mapping[str, Any]) -> Figure:
    if kind in _OF_A_TABLE:
        return _OF_A_TABLE[kind](frame)
    if "column" not in arguments:
        return None
    found = frame[arguments["column"]]
    # Not a number and null are one for pandas.
    column = found.fill_nan(None) if found.dtype.is_float() else found
    if kind in _OF_A_COLUMN:
        return _OF_A_COLUMN[kind](column)
    return _OF_NUMBERS[kind](column) if kind in _OF_NUMBERS and column.dtype.is_numeric() else None


def _share(known: pl.Series) -> Figure:
    return known.n_unique() / known.len() if known.len() else None
