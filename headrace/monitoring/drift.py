"""Drift: how far the features of a window lie from those of a reference, by Evidently's population stability index (PSI).

PSI on samples of fixed size, because tests of significance call every feature of every month drifted at this size. The
reference says what the question is: unlike what the champion learned from (`training`), or unlike the season (`season`)?
Weather drifts every month without hurting, so a policy should read `season`.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import polars as pl

METRIC = "psi"
PREDICTION = "prediction"

# Below this many values on one side, PSI measures the sample and not the feature.
MIN_VALUES = 100


def measure_drift(current: pl.DataFrame, reference: pl.DataFrame, *, numerical: Sequence[str], categorical: Sequence[str], threshold: float) -> pl.DataFrame:
    """Compare each feature of two samples.

    Args:
        current: Rows of the window.
        reference: Rows to compare with.
        numerical: Features with numbers (float64).
        categorical: Features with categories (string).
        threshold: PSI at or above which a feature has drifted.

    Returns:
        `feature`, `metric`, `value` (PSI, null where it cannot be computed), `threshold`, `is_drifted` (null likewise),
        `current_count`, `reference_count`, `reason` (why there is no value). Grain: one row per feature.
    """
    reasons = {name: _find_obstacle(current, reference, name) for name in (*numerical, *categorical)}
    sound_numerical = [name for name in numerical if reasons[name] is None]
    sound_categorical = [name for name in categorical if reasons[name] is None]
    values = _measure_by_evidently(current, reference, numerical=sound_numerical, categorical=sound_categorical, threshold=threshold)
    rows = []
    for name, reason in reasons.items():
        value = values.get(name)
        if reason is None and (value is None or not np.isfinite(value)):
            value, reason = None, "Evidently gave no finite value"
        is_drifted = None if value is None else value >= threshold
        rows.append((name, METRIC, value, threshold, is_drifted, current.height, reference.height, reason))
    schema = {"feature": pl.String, "metric": pl.String, "value": pl.Float64, "threshold": pl.Float64, "is_drifted": pl.Boolean}
    counts = {"current_count": pl.Int64, "reference_count": pl.Int64, "reason": pl.String}
    return pl.DataFrame(rows, schema=schema | counts, orient="row")


def sample_rows(rows: pl.DataFrame, *, limit: int, seed: int, key: Sequence[str]) -> pl.DataFrame:
    """At most `limit` rows, the same ones whatever order they come in."""
    return rows.sort(*key).sample(min(limit, rows.height), seed=seed)


def _find_obstacle(current: pl.DataFrame, reference: pl.DataFrame, name: str) -> str | None:
    """Why a feature cannot be compared, or None. Evidently raises on a column without values, which would lose the whole report."""
    for side, frame in (("the window", current), ("the reference", reference)):
        count = frame.height - frame[name].null_count() if name in frame.columns else 0
        if count < MIN_VALUES:
            return f"{side} has {count} values, {MIN_VALUES} are needed"
    return None


def _measure_by_evidently(
    current: pl.DataFrame, reference: pl.DataFrame, *, numerical: Sequence[str], categorical: Sequence[str], threshold: float
) -> dict[str, float]:
    names = [*numerical, *categorical]
    if not names:
        return {}
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(numerical_columns=list(numerical), categorical_columns=list(categorical))
    current_set, reference_set = (Dataset.from_pandas(frame.select(names).to_pandas(), data_definition=definition) for frame in (current, reference))
    report = Report([ValueDrift(column=name, method=METRIC, threshold=threshold) for name in names])
    with warnings.catch_warnings():
        # Empty bins make NumPy warn of a division that Evidently then handles.
        warnings.simplefilter("ignore")
        # The window comes first: Evidently's order is current, then reference.
        results = report.run(current_set, reference_set).dict()["metrics"]
    return {result["config"]["column"]: float(result["value"]) for result in results}
