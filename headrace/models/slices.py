"""Metrics of predictions overall and by slice: the same for a holdout and for live predictions, so that both figures mean the same."""

from collections.abc import Sequence

import polars as pl

from headrace.models.kinds.kind import Kind

# The value of `slice_column` and `slice_value` for all rows together.
ALL = "all"

SCHEMA = {"slice_column": pl.String, "slice_value": pl.String, "metric": pl.String, "value": pl.Float64, "row_count": pl.Int64}


def score_slices(rows: pl.DataFrame, *, kind: Kind, label: str, slices: Sequence[str]) -> pl.DataFrame:
    """Every metric overall and for each value of each slice column.

    Args:
        rows: The label (no nulls), the kind's prediction columns and the slice columns. Grain: one row per prediction.
        kind: The kind of task.
        label: Name of the label column.
        slices: Columns to slice by.

    Returns:
        `slice_column`, `slice_value`, `metric`, `value` (null where it cannot be computed), `row_count`. Grain: one row per
        slice value and metric, sorted; all rows together are slice `all`.
    """
    parts = [(ALL, ALL, rows)]
    for column in slices:
        parts += [(column, str(value), part) for (value,), part in sorted(rows.group_by(column), key=lambda group: str(group[0][0]))]
    records = [
        (column, value, metric, figure, part.height)
        for column, value, part in parts
        for metric, figure in kind.score(part[label], *kind.from_columns(part)).items()
    ]
    return pl.DataFrame(records, schema=SCHEMA, orient="row")
