"""Ask Great Expectations what a batch keeps of its promises: a large one slice by slice.

It knows pandas only, whose copy of a batch takes several times the batch's memory. So promises that a row keeps by itself are
asked of a slice at a time; of the others Polars computes the figure they are about, or their own columns are copied.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from headrace.lake.aggregates import judge_figure
from headrace.lake.expectations import Check, build_suite, great_expectations

# Rows of a slice: with thirty columns pandas takes some 300 MB for them.
SLICE_ROWS = 500_000

# Verdicts are asked for first, which halves the price of what keeps its promises; then, for what is broken, the numbers of
# all broken rows without their values. An index query instead costs 26 CPU-s on 336,776 rows.
_VERDICTS = {"result_format": "BOOLEAN_ONLY"}
_DETAILS = {"result_format": "COMPLETE", "return_unexpected_index_query": False, "exclude_unexpected_values": True}

# What holds or not for a row by itself, whatever the others hold. Of anything else (no value occurs twice, none is an outlier, ...)
# a slice cannot tell.
_JUDGED_ALONE = frozenset(
    [
        "expect_column_pair_values_a_to_be_greater_than_b",
        "expect_column_pair_values_to_be_equal",
        "expect_column_pair_values_to_be_in_set",
        "expect_column_value_lengths_to_be_between",
        "expect_column_value_lengths_to_equal",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_be_null",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_not_be_in_set",
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_not_match_regex",
        "expect_multicolumn_sum_to_equal",
        "expect_multicolumn_values_to_be_equal",
        "expect_select_column_values_to_be_unique_within_record",
    ]
)

_NOTHING_RAISED: Mapping[str, Any] = {"raised_exception": False}

# One result of Great Expectations: `success`, `exception`, and what its format adds.
Result = Mapping[str, Any]


def ask(frame: pl.DataFrame, table: str, checks: Sequence[Check]) -> dict[str, Result]:
    """Results by name of the check; one without a result was not answered.

    Args:
        frame: The batch.
        table: For the name of the suite.
        checks: What Great Expectations decides (those with a type).
    """
    if frame.height <= SLICE_ROWS:
        return _ask_of(frame, table, checks)
    of_rows = [check for check in checks if check.level == "row" and check.type in _JUDGED_ALONE]
    slices = [(first, _ask_of(frame.slice(first, SLICE_ROWS), table, of_rows)) for first in range(0, frame.height, SLICE_ROWS)]
    joined = {check.name: _join([(first, results.get(check.name)) for first, results in slices]) for check in of_rows}
    of_the_whole = {check.name: _ask_of_the_whole(frame, table, check) for check in checks if check.name not in joined}
    return {name: result for name, result in (joined | of_the_whole).items() if result is not None}


def _ask_of_the_whole(frame: pl.DataFrame, table: str, check: Check) -> Result | None:
    figure = judge_figure(frame, str(check.type), check.kwargs)
    if figure is not None:
        return {"exception": _NOTHING_RAISED, **figure}
    named = [check.kwargs[key] for key in ("column", "column_A", "column_B") if key in check.kwargs] + list(check.kwargs.get("column_list", ()))
    # A condition may be about any column.
    is_narrow = named and "row_condition" not in check.kwargs
    return _ask_of(frame.select(*dict.fromkeys(named)) if is_narrow else frame, table, [check]).get(check.name)


def _join(parts: Sequence[tuple[int, Result | None]]) -> Result | None:
    """The result for a batch from those of its slices, each with its first row: as undecided as any of them."""
    if any(result is None for _, result in parts):
        return None
    results = [(first, result) for first, result in parts if result is not None]
    broken = [(first, result) for first, result in results if result["success"] is not True]
    is_told = all(isinstance(result.get("unexpected_index_list"), list) for _, result in broken)
    rows = [first + int(row) for first, result in broken for row in result["unexpected_index_list"]] if is_told else None
    return {"success": not broken, "exception": _find_exception([result["exception"] for _, result in results]), "unexpected_index_list": rows}


def _find_exception(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((info for info in found if read_exception(info)), _NOTHING_RAISED)


def read_exception(info: Mapping[str, Any]) -> str | None:
    """Name of the exception behind a result, or None. Its message is left out, for it may quote a row.

    The information is flat, or nested by metric where several were computed.
    """
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry for entry in entries if entry["raised_exception"]]
    if not raised:
        return None
    last_line = str(raised[0]["exception_traceback"]).strip().rsplit("\n", 1)[-1]
    return last_line.split(":", 1)[0].rsplit(".", 1)[-1]


def _ask_of(frame: pl.DataFrame, table: str, checks: Sequence[Check]) -> dict[str, Result]:
    """Ask for verdicts, then for the details of what is broken."""
    results = _run_suite(frame, table, checks, _VERDICTS)
    unmet = [check for check in checks if check.name in results and results[check.name]["success"] is not True]
    return results | _run_suite(frame, table, unmet, _DETAILS)


def _run_suite(frame: pl.DataFrame, table: str, checks: Sequence[Check], result_format: Mapping[str, Any]) -> dict[str, Result]:
    """Results by name of the check. Pandas' index numbers the rows: 0, 1, 2, ..."""
    if not checks:
        return {}
    context = great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    definition = context.data_sources.add_pandas("pandas").add_dataframe_asset("batch").add_batch_definition_whole_dataframe("whole")
    batch = definition.get_batch({"dataframe": frame.to_pandas()})
    outcome = batch.validate(build_suite(table, list(checks)), result_format=dict(result_format))
    return {
        result.expectation_config.meta["name"]: {"success": result.success, "exception": result.exception_info, **result.result}
        for result in outcome.results
    }
