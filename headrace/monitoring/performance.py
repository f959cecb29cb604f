"""Live performance: predictions that have met their labels, window by window, overall and by slice."""

from collections.abc import Sequence

import polars as pl

from headrace.models import evaluation
from headrace.monitoring.windows import Window

LABEL, PREDICTION, BASELINE = "label", "probability_fraction", "baseline_probability"
ALL = evaluation.ALL

# A slice is watched for its loss and ranking; every other figure of every slice would be noise that nobody reads.
SLICE_METRICS = ("log_loss", "roc_auc", "label_rate_fraction")


def measure_window(rows: pl.DataFrame, *, window: Window, slices: Sequence[str]) -> pl.DataFrame:
    """Measure one window.

    Args:
        rows: Predictions of the window: `model_version`, `probability_fraction`, `baseline_probability` (of the business
            rule that came with that version), `label` (1.0, 0.0, or null where there is none) and the slice columns.
        window: Its bounds.
        slices: Columns to slice by.

    Returns:
        Rows of `metrics.model_performance` without `use_case`. Grain: one metric of one version on one slice. A metric that
        cannot be computed is null beside its row count, never 0.
    """
    parts = [_measure_version(part, slices=slices).with_columns(pl.lit(version, dtype=pl.Int64).alias("model_version")) for version, part in _by_version(rows)]
    if not parts:
        return pl.DataFrame()
    start, end = (pl.lit(instant).cast(pl.Datetime("us", "UTC")) for instant in window)
    return pl.concat(parts).with_columns(start.alias("window_start"), end.alias("window_end"), pl.concat_str(pl.lit("live/"), "metric").alias("metric"))


def _by_version(rows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    return [(part["model_version"][0], part) for part in rows.sort("model_version").partition_by("model_version", maintain_order=True)]


def _measure_version(rows: pl.DataFrame, *, slices: Sequence[str]) -> pl.DataFrame:
    labelled = rows.filter(pl.col(LABEL).is_not_null())
    scored = evaluation.score_slices(labelled, label=LABEL, probability=PREDICTION, slices=slices)
    rates = pl.concat([_rates(labelled, column=column) for column in (ALL, *slices)])
    is_kept = (pl.col("slice_column") == ALL) | pl.col("metric").is_in(list(SLICE_METRICS))
    return pl.concat([pl.concat([scored, rates]).filter(is_kept), _overall(rows, labelled)]).sort("slice_column", "slice_value", "metric")


def _rates(labelled: pl.DataFrame, *, column: str) -> pl.DataFrame:
    """Share of positive labels, overall or per value of a column."""
    value = pl.lit(ALL) if column == ALL else pl.col(column).cast(pl.String)
    grouped = labelled.group_by(value.alias("slice_value")).agg(value=pl.col(LABEL).mean(), row_count=pl.len().cast(pl.Int64))
    return grouped.select(pl.lit(column).alias("slice_column"), "slice_value", pl.lit("label_rate_fraction").alias("metric"), "value", "row_count")


def _overall(rows: pl.DataFrame, labelled: pl.DataFrame) -> pl.DataFrame:
    """What is measured on the whole window only: the mean prediction, the business rule's loss, how many rows never got a label."""
    baseline = evaluation.score(labels=labelled[LABEL].to_numpy(), probabilities=labelled[BASELINE].to_numpy())["log_loss"]
    mean = labelled[PREDICTION].mean()
    unlabelled = rows[LABEL].null_count() / rows.height if rows.height else None
    figures = [
        ("prediction_mean_fraction", mean, labelled.height),
        ("baseline_log_loss", baseline, labelled.height),
        ("unlabelled_fraction", unlabelled, rows.height),
    ]
    schema = {"slice_column": pl.String, "slice_value": pl.String, "metric": pl.String, "value": pl.Float64, "row_count": pl.Int64}
    return pl.DataFrame([(ALL, ALL, *figure) for figure in figures], schema=schema, orient="row")
