"""Live performance: predictions that have met their labels, window by window, overall and by slice."""

from collections.abc import Sequence

import polars as pl

from headrace.models.kinds.kind import Kind
from headrace.models.slices import ALL, SCHEMA
from headrace.monitoring.windows import Window

LABEL = "label"

# The business rule's predictions lie beside the model's, under the same names behind this.
RULE = "rule_"

Figures = dict[str, float | None]


def measure_window(rows: pl.DataFrame, *, kind: Kind, window: Window, slices: Sequence[str]) -> pl.DataFrame:
    """Measure one window.

    Args:
        rows: Predictions of the window: `model_version`, the kind's prediction columns, the same of the business rule that came
            with that version (behind `rule_`), `label` (null where there is none) and the slice columns.
        kind: The kind of task.
        window: Its bounds.
        slices: Columns to slice by.

    Returns:
        Rows of `metrics.model_performance` without `use_case`. Grain: one metric of one version on one slice. A metric that
        cannot be computed is null beside its row count, never 0.
    """
    parts = [
        _measure_version(part, kind=kind, slices=slices).with_columns(pl.lit(version, dtype=pl.Int64).alias("model_version"))
        for version, part in _by_version(rows)
    ]
    if not parts:
        return pl.DataFrame()
    start, end = (pl.lit(instant).cast(pl.Datetime("us", "UTC")) for instant in window)
    return pl.concat(parts).with_columns(
        start.alias("window_start"), end.alias("window_end"), pl.concat_str(pl.lit("live/"), "metric").alias("metric")
    )


def _by_version(rows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    return [(part["model_version"][0], part) for part in rows.sort("model_version").partition_by("model_version", maintain_order=True)]


def _measure_version(rows: pl.DataFrame, *, kind: Kind, slices: Sequence[str]) -> pl.DataFrame:
    labelled = rows.filter(pl.col(LABEL).is_not_null())
    records = [(ALL, ALL, metric, value, labelled.height) for metric, value in _measure_all(labelled, kind).items()]
    records.append((ALL, ALL, "unlabelled_fraction", 1 - labelled.height / rows.height, rows.height))
    for column in slices:
        for part in labelled.sort(column).partition_by(column, maintain_order=True):
            records += [(column, str(part[column][0]), metric, value, part.height) for metric, value in _measure_slice(part, kind).items()]
    return pl.DataFrame(records, schema=SCHEMA, orient="row").sort("slice_column", "slice_value", "metric")


def _measure_all(labelled: pl.DataFrame, kind: Kind) -> Figures:
    """Every metric of the model, and what the business rule would have said about the same rows."""
    predictions = kind.from_columns(labelled)
    rule = kind.score(labelled[LABEL], *kind.from_columns(labelled, prefix=RULE))
    watched = {f"baseline_{metric}": rule[metric] for metric in kind.watched}
    return {**kind.score(labelled[LABEL], *predictions), **watched, **kind.describe(labelled[LABEL], *predictions)}


def _measure_slice(labelled: pl.DataFrame, kind: Kind) -> Figures:
    """A slice is watched for its loss and ranking; every other figure of every slice would be noise that nobody reads."""
    predictions = kind.from_columns(labelled)
    scored = kind.score(labelled[LABEL], *predictions)
    happened = kind.described[0]
    return {**{metric: scored[metric] for metric in kind.watched}, happened: kind.describe(labelled[LABEL], *predictions)[happened]}
