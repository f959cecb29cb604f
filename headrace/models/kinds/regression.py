"""Regression: a number, and the interval in which it will lie nine times of ten. Labels are numbers in their own unit.

Intervals are conformal (Lei 2018): quantiles of the errors that trees made on rows they had not seen, taken within each tenth
of the predictions, so that large values get wide intervals and small ones narrow ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from headrace.models.kinds.kind import SERVICE_WATCH, Column, Outcomes, Words, finite_mean, read_floats

VALUE, LOWER, UPPER = "predicted_value", "lower_value", "upper_value"

# Share of the values that an interval is to hold.
COVERAGE_FRACTION = 0.9

# Twenty rows of a group are the fewest of which one lies beyond either bound.
_GROUPS, _MIN_GROUP_ROWS = 10, 20

WORDS = Words(
    purpose="The value of `{label}` to expect, and the interval that holds nine of ten.",
    calibration="with conformal intervals",
    note=(
        "Errors in the label's unit (squared: in its square); less is better. Normalized: 1 is a constant that knows the mean. Concordance: how "
        "often of two rows the larger was said to be larger. Coverage: the share of values within their interval, which is meant to be 0.9."
    ),
    loss="squared error",
    loss_unit="the label's unit, squared",
    ranking="concordance",
    score_unit="the label's unit",
    described="mean of the label",
    is_share=False,
    rule="historical mean",
    reliable="Does a value mean what it says?",
    said="value that was predicted",
    came="mean of the values that came",
)


class Regression:
    """See `headrace.models.kinds.kind.Kind`."""

    name = "regression"
    is_fitted = True
    metrics = (
        "mean_squared_error",
        "normalized_squared_error",
        "root_mean_squared_error",
        "mean_absolute_error",
        "concordance",
        "interval_coverage_fraction",
        "interval_width",
    )
    higher_is_better = frozenset({"concordance"})
    watched = ("mean_squared_error", "concordance")
    described = ("label_mean", "prediction_mean")
    card_metrics = ("root_mean_squared_error", "mean_absolute_error", "interval_coverage_fraction")
    words = WORDS
    watches: tuple[str, ...] = (SERVICE_WATCH,)
    traces: str | None = None
    columns: Mapping[str, Column] = {
        VALUE: Column(type="float64", unit="as the label", description="The value expected."),
        LOWER: Column(type="float64", unit="as the label", description="One value in twenty will be less."),
        UPPER: Column(type="float64", unit="as the label", description="One value in twenty will be more."),
    }
    objectives: frozenset[str] = frozenset({"poisson", "tweedie"})
    rule_carries = False

    def find_label_fault(self, labels: pl.Series) -> str | None:
        """At least two different finite numbers."""
        if not labels.dtype.is_numeric():
            return f"the label is {labels.dtype}, it must be a number"
        if not labels.cast(pl.Float64).is_finite().all():
            return "the label has values that are not finite"
        found = labels.n_unique()
        return None if found > 1 else f"the label takes {found} value only" if found else "there is no label"

    def list_outcomes(self, labels: pl.Series) -> Outcomes:
        """None: it is a number."""
        return ()

    def encode(self, labels: pl.Series, outcomes: Outcomes) -> np.ndarray:
        """The labels themselves."""
        return labels.cast(pl.Float64).fill_null(float("nan")).to_numpy()

    def targets(self, label: str, outcomes: Outcomes) -> list[pl.Expr]:
        """The label."""
        return [pl.col(label).cast(pl.Float64)]

    def objective(self, outcomes: Outcomes) -> dict[str, Any]:
        """Squared error, whose least is the mean."""
        return {"objective": "regression", "metric": "l2"}

    def fit_linear(self, design: np.ndarray, codes: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """Ridge regression, solved in one step."""
        from sklearn.linear_model import Ridge

        fitted = Ridge(alpha=1.0, solver="cholesky").fit(design, codes)
        return fitted.coef_[None, :], np.array([fitted.intercept_])

    def link(self, raw: np.ndarray) -> np.ndarray:
        """The raw score is the value."""
        return raw[:, 0]

    def fit_calibration(self, scores: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
        """Quantiles of the errors within each group of predictions; fewer groups where rows are few."""
        count = max(1, min(_GROUPS, scores.size // _MIN_GROUP_ROWS))
        edges = np.unique(np.quantile(scores, np.linspace(0, 1, count + 1)[1:-1]))
        place, errors = np.searchsorted(edges, scores, side="right"), codes - scores
        groups = [errors[place == group] if (place == group).any() else errors for group in range(edges.size + 1)]
        return {
            "method": "conformal",
            "coverage_fraction": COVERAGE_FRACTION,
            "edges": _rounded(edges),
            "lower": _rounded([min(0.0, -_upper_quantile(-group)) for group in groups]),
            "upper": _rounded([max(0.0, _upper_quantile(group)) for group in groups]),
        }

    def calibrate(self, calibration: Mapping[str, Any], scores: np.ndarray) -> np.ndarray:
        """Value, lower and upper bound (rows x 3)."""
        place = np.searchsorted(np.array(calibration["edges"], dtype=np.float64), scores, side="right")
        lower, upper = (scores + np.array(calibration[side])[place] for side in ("lower", "upper"))
        return np.column_stack((scores, lower, upper))

    def losses(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> np.ndarray:
        """Squared error of each prediction."""
        return np.square(self.encode(labels, outcomes) - _values(predictions))

    def score(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Every metric of `metrics`. Normalized: 1 is a constant that knows the rows' own mean. A rule without intervals has no coverage."""
        actual, values = self.encode(labels, outcomes), _values(predictions)
        if not actual.size or not np.isfinite(actual).all() or not np.isfinite(predictions).all():
            return dict.fromkeys(self.metrics)
        squared, variance = float(np.square(actual - values).mean()), float(actual.var())
        has_bounds = predictions.ndim > 1 and predictions.shape[1] == 3
        covered = ((actual >= predictions[:, 1]) & (actual <= predictions[:, 2])).mean() if has_bounds else None
        return {
            "mean_squared_error": squared,
            "normalized_squared_error": squared / variance if variance else None,
            "root_mean_squared_error": float(np.sqrt(squared)),
            "mean_absolute_error": float(np.abs(actual - values).mean()),
            "concordance": self.rank(labels, predictions, outcomes),
            "interval_coverage_fraction": None if covered is None else float(covered),
            "interval_width": float((predictions[:, 2] - predictions[:, 1]).mean()) if has_bounds else None,
        }

    def describe(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Mean of the labels, and of the predictions."""
        return {"label_mean": finite_mean(self.encode(labels, outcomes)), "prediction_mean": finite_mean(_values(predictions))}

    def rank(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> float | None:
        """Concordance (Harrell 1982): of all pairs with different labels, the share in the right order; equal predictions count half."""
        from scipy.stats import kendalltau

        actual, values = self.encode(labels, outcomes), _values(predictions)
        pairs = actual.size * (actual.size - 1) / 2
        untied_labels, untied_values = pairs - _tied_pairs(actual), pairs - _tied_pairs(values)
        if not untied_labels:
            return None
        if not untied_values:
            return 0.5
        # Kendall's tau-b divides by the root of both counts, the concordance by that of the labels only.
        return float(0.5 + 0.5 * kendalltau(actual, values).statistic * np.sqrt(untied_values / untied_labels))

    def is_possible(self, predictions: np.ndarray) -> bool:
        """Finite, and each value within its bounds."""
        return bool(
            np.isfinite(predictions).all() and (predictions[:, 1] <= predictions[:, 0]).all() and (predictions[:, 0] <= predictions[:, 2]).all()
        )

    def to_columns(self, predictions: np.ndarray, outcomes: Outcomes) -> list[pl.Series]:
        """Value and bounds; a rule has no bounds."""
        parts = predictions if predictions.ndim > 1 else np.column_stack((predictions, np.full((predictions.size, 2), np.nan)))
        return [pl.Series(name, parts[:, place], dtype=pl.Float64).fill_nan(None) for place, name in enumerate(self.columns)]

    def from_columns(self, rows: pl.DataFrame, *, prefix: str = "") -> tuple[np.ndarray, Outcomes]:
        """Value and bounds, or the value alone where no row has bounds."""
        found = np.column_stack([read_floats(rows, f"{prefix}{name}") for name in self.columns])
        return (found[:, 0] if np.isnan(found[:, 1:]).all() else found), ()

    def compare(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """The value expected, and the value that came."""
        return _values(predictions), self.encode(labels, outcomes)

    def drift_values(self, predictions: np.ndarray, outcomes: Outcomes) -> pl.Series:
        """The value."""
        return pl.Series(_values(predictions), dtype=pl.Float64)


def _values(predictions: np.ndarray) -> np.ndarray:
    return predictions[:, 0] if predictions.ndim > 1 else predictions


def _upper_quantile(errors: np.ndarray) -> float:
    """The error that all but one in twenty stay under, corrected for the number of rows as conformal prediction asks."""
    level = min(1.0, np.ceil((errors.size + 1) * (1 + COVERAGE_FRACTION) / 2) / errors.size)
    return float(np.quantile(errors, level, method="higher"))


def _tied_pairs(values: np.ndarray) -> float:
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((counts * (counts - 1) / 2).sum())


def _rounded(values: np.ndarray | list[float]) -> list[float]:
    return [float(f"{value:.9g}") for value in values]


KIND = Regression()
