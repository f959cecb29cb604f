"""Drift: how far the features of a window lie from those of a reference, by Evidently's population stability index (PSI).

PSI on samples of fixed size, because tests of significance call every feature of every month drifted at this size. The
reference says what the question is: unlike what the champion learned from (`training`), or unlike the season (`season`)?
Weather drifts every month without hurting, so a policy should read `season`.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

METRIC = "psi"
PREDICTION = "prediction"

# Below this many values on one side, PSI measures the sample and not the feature: two samples of one distribution in ten
# bins lie 9 * (1/n + 1/m) apart on average, 0.18 nats at 100 values and 0.002 at 10,000.
MIN_VALUES = 100


def measure_drift(
    current: pl.DataFrame, reference: pl.DataFrame, *, numerical: Sequence[str], categorical: Sequence[str], threshold: float
) -> pl.DataFrame:
    """Compare each feature of two samples. Values that are missing are left out: their share is a matter of data quality.

    Args:
        current: Rows of the window.
        reference: Rows to compare with.
        numerical: Features with numbers (float64).
        categorical: Features with categories (string).
        threshold: PSI (nats) at or above which a feature has drifted.

    Returns:
        `feature`, `metric`, `value` (PSI in nats, null where it cannot be computed), `threshold`, `is_drifted` (null likewise),
        `current_count`, `reference_count` (values that were compared), `reason` (why there is no value). Grain: one row per feature.
    """
    rows = []
    for name in (*numerical, *categorical):
        window_values, reference_values = _read_values(current, name), _read_values(reference, name)
        counts = (window_values.len(), reference_values.len())
        value, reason = None, _find_obstacle(*counts)
        if reason is None:
            value = _measure_psi(window_values, reference_values, is_categorical=name in categorical)
        if value is not None and not np.isfinite(value):
            value, reason = None, "Evidently gave no finite value"
        rows.append((name, METRIC, value, threshold, None if value is None else value >= threshold, *counts, reason))
    schema = {"feature": pl.String, "metric": pl.String, "value": pl.Float64, "threshold": pl.Float64, "is_drifted": pl.Boolean}
    counted = {"current_count": pl.Int64, "reference_count": pl.Int64, "reason": pl.String}
    return pl.DataFrame(rows, schema=schema | counted, orient="row")


def sample_rows(rows: pl.DataFrame, *, limit: int, seed: int, key: Sequence[str]) -> pl.DataFrame:
    """At most `limit` rows, the same ones whatever order they come in."""
    return rows.sort(*key).sample(min(limit, rows.height), seed=seed)


def measure_drifted_fraction(measured: pl.DataFrame, *, bar: float) -> float | None:
    """Share (0 to 1) of a window's features that drifted, or None where the features without a value could decide about `bar`.

    A feature that could not be compared is neither calm nor drifted: when the window would be on one side of the bar with all
    of them calm and on the other with all of them drifted, nobody can tell.

    Args:
        measured: Rows of one window and view, as `measure_drift` returns them, without the prediction.
        bar: Share at or above which a window counts as drifted.
    """
    if measured.is_empty():
        return None
    drifted_count, unknown_count = int(measured["is_drifted"].sum()), measured["is_drifted"].null_count()
    least, most = drifted_count / measured.height, (drifted_count + unknown_count) / measured.height
    return None if least < bar <= most else least


def _read_values(rows: pl.DataFrame, name: str) -> pl.Series:
    """The values of a feature that can be compared; a column that is absent has none."""
    values = rows[name].drop_nulls() if name in rows.columns else pl.Series(name, [], dtype=pl.Float64)
    return values.filter(values.is_finite()) if values.dtype.is_float() else values


def _find_obstacle(current_count: int, reference_count: int) -> str | None:
    for side, count in (("the window", current_count), ("the reference", reference_count)):
        if count < MIN_VALUES:
            return f"{side} has {count} values, {MIN_VALUES} are needed"
    return None


def _measure_psi(current: pl.Series, reference: pl.Series, *, is_categorical: bool) -> float:
    """Evidently's PSI of two samples: numbers with more than 20 values in equal bins (Sturges), all others value by value.

    The measure itself is called instead of a `Report`: a report draws figures of every feature, and takes 1.4 s of processor
    time for 40 of them against 0.07 s. A test holds the two equal.
    """
    from evidently import ColumnType
    from evidently.legacy.calculations.stattests import psi_stat_test

    if is_categorical:
        current, reference = _encode(current, reference)
    kind = ColumnType.Categorical if is_categorical else ColumnType.Numerical
    result = psi_stat_test(reference_data=reference.to_pandas(), current_data=current.to_pandas(), feature_type=kind, threshold=None)
    return float(result.drift_score)


def _encode(current: pl.Series, reference: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Categories as their rank: Evidently adds up over a set of values, and strings in a set have another order in every process."""
    names = pl.concat([current, reference]).unique().sort()
    ranks = pl.Series(range(names.len()), dtype=pl.Int64)
    return current.replace_strict(names, ranks), reference.replace_strict(names, ranks)
