"""Live performance: predictions that have met their labels, window by window, overall and by slice."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from headrace.models import evaluation
from headrace.monitoring.windows import Window

LABEL, PREDICTION, BASELINE = "label", "probability_fraction", "baseline_probability"
ALL = evaluation.ALL

_SCHEMA = {"slice_column": pl.String, "slice_value": pl.String, "metric": pl.String, "value": pl.Float64, "row_count": pl.Int64}

Figures = Mapping[str, float | None]


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
    parts = [
        _measure_version(part, slices=slices).with_columns(pl.lit(version, dtype=pl.Int64).alias("model_version"))
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


def _measure_version(rows: pl.DataFrame, *, slices: Sequence[str]) -> pl.DataFrame:
    labelled = rows.filter(pl.col(LABEL).is_not_null())
    records = [(ALL, ALL, metric, value, labelled.height) for metric, value in _measure_all(labelled).items()]
    records.append((ALL, ALL, "unlabelled_fraction", 1 - labelled.height / rows.height, rows.height))
    for column in slices:
        for part in labelled.sort(column).partition_by(column, maintain_order=True):
            records += [(column, str(part[column][0]), metric, value, part.height) for metric, value in _measure_slice(part).items()]
    return pl.DataFrame(records, schema=_SCHEMA, orient="row").sort("slice_column", "slice_value", "metric")


def _measure_all(labelled: pl.DataFrame) -> Figures:
    """Every metric of the model, and what the business rule would have said about the same rows."""
    labels = labelled[LABEL].to_numpy()
    baseline = evaluation.score(labels=labels, probabilities=_probabilities(labelled, BASELINE))
    return {
        **evaluation.score(labels=labels, probabilities=_probabilities(labelled, PREDICTION)),
        "baseline_log_loss": baseline["log_loss"],
        "baseline_roc_auc": baseline["roc_auc"],
        "label_rate_fraction": _finite_mean(labels),
        "prediction_mean_fraction": _finite_mean(_probabilities(labelled, PREDICTION)),
    }


def _measure_slice(labelled: pl.DataFrame) -> Figures:
    """A slice is watched for its loss and ranking; every other figure of every slice would be noise that nobody reads."""
    labels = labelled[LABEL].to_numpy()
    scored = evaluation.score(labels=labels, probabilities=_probabilities(labelled, PREDICTION))
    return {"log_loss": scored["log_loss"], "roc_auc": scored["roc_auc"], "label_rate_fraction": _finite_mean(labels)}


def _probabilities(rows: pl.DataFrame, column: str) -> np.ndarray:
    """Probabilities, not a number where there is none: a row that was not scored makes its metric null instead of going missing."""
    return rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _finite_mean(values: np.ndarray) -> float | None:
    mean = float(values.mean()) if values.size else float("nan")
    return mean if np.isfinite(mean) else None
