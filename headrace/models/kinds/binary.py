"""Binary classification: the probability of yes. Labels are 1.0 and 0.0.

Metrics are those of `headrace.models.evaluation`; the trees' scores are Platt-scaled (`headrace.models.calibration`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from headrace.models import evaluation
from headrace.models.calibration import calibrate, fit_platt
from headrace.models.kinds.kind import SERVICE_WATCH, Column, Outcomes, Words, finite_mean, read_floats

PROBABILITY = "probability_fraction"

WORDS = Words(
    purpose="Probability that `{label}` is 1.",
    calibration="Platt-scaled",
    note="Log loss in nats; less is better, as for Brier score and calibration error. Normalized: 1 is a constant that knows the rate.",
    loss="log loss",
    loss_unit="nats",
    ranking="ROC AUC",
    score_unit="nats",
    described="label rate",
    is_share=True,
    rule="historical rate",
    reliable="Does a probability mean what it says?",
    said="probability that was predicted",
    came="share that came true",
)


class Binary:
    """See `headrace.models.kinds.kind.Kind`."""

    name = "binary"
    is_fitted = True
    metrics = evaluation.METRICS
    higher_is_better = evaluation.HIGHER_IS_BETTER
    watched = ("log_loss", "roc_auc")
    described = ("label_rate_fraction", "prediction_mean_fraction")
    card_metrics = ("log_loss", "roc_auc", "calibration_error")
    words = WORDS
    watches: tuple[str, ...] = (SERVICE_WATCH,)
    traces: str | None = None
    columns: Mapping[str, Column] = {
        PROBABILITY: Column(type="float64", unit="fraction", range=(0, 1), description="Calibrated probability of yes, 0 to 1.")
    }
    objectives: frozenset[str] = frozenset()
    rule_carries = False

    def find_label_fault(self, labels: pl.Series) -> str | None:
        """Both classes must occur."""
        found = sorted(labels.unique().to_list())
        return None if found == [0.0, 1.0] else f"the label takes the values {found}, it must take 0.0 and 1.0"

    def list_outcomes(self, labels: pl.Series) -> Outcomes:
        """None: a single probability says it all."""
        return ()

    def encode(self, labels: pl.Series, outcomes: Outcomes) -> np.ndarray:
        """The labels themselves."""
        return labels.cast(pl.Float64).to_numpy()

    def targets(self, label: str, outcomes: Outcomes) -> list[pl.Expr]:
        """The label, whose mean is its rate."""
        return [pl.col(label)]

    def objective(self, outcomes: Outcomes) -> dict[str, Any]:
        """Log loss."""
        return {"objective": "binary", "metric": "binary_logloss"}

    def fit_linear(self, design: np.ndarray, codes: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """Logistic regression; the Newton solver converges to rounding error in a few steps, so that reruns write the same bytes."""
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression(solver="newton-cholesky", C=1.0, max_iter=100).fit(design, codes)
        return fitted.coef_, fitted.intercept_

    def link(self, raw: np.ndarray) -> np.ndarray:
        """The logistic function."""
        return 1 / (1 + np.exp(-raw[:, 0]))

    def fit_calibration(self, scores: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
        """Platt scaling."""
        return fit_platt(scores=scores, labels=codes)

    def calibrate(self, calibration: Mapping[str, Any], scores: np.ndarray) -> np.ndarray:
        """Probabilities of uncalibrated ones."""
        return calibrate(calibration, scores)

    def losses(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> np.ndarray:
        """Log loss of each prediction (nats)."""
        return evaluation.log_losses(_floats(labels), predictions)

    def score(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """See `evaluation.score`."""
        return evaluation.score(labels=_floats(labels), probabilities=predictions)

    def describe(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """How often it came true, and how often that was predicted."""
        return {"label_rate_fraction": finite_mean(_floats(labels)), "prediction_mean_fraction": finite_mean(predictions)}

    def rank(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> float | None:
        """ROC AUC."""
        return evaluation.roc_auc(labels=_floats(labels), probabilities=predictions.reshape(len(labels)))

    def is_possible(self, predictions: np.ndarray) -> bool:
        """Finite, and 0 to 1."""
        return bool(np.isfinite(predictions).all() and ((predictions >= 0) & (predictions <= 1)).all())

    def to_columns(self, predictions: np.ndarray, outcomes: Outcomes) -> list[pl.Series]:
        """The probability."""
        return [pl.Series(PROBABILITY, predictions, dtype=pl.Float64)]

    def from_columns(self, rows: pl.DataFrame, *, prefix: str = "") -> tuple[np.ndarray, Outcomes]:
        """The probability."""
        return read_floats(rows, f"{prefix}{PROBABILITY}"), ()

    def compare(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """The probability, and what happened."""
        return predictions, _floats(labels)

    def drift_values(self, predictions: np.ndarray, outcomes: Outcomes) -> pl.Series:
        """The probability."""
        return pl.Series(predictions, dtype=pl.Float64)


def _floats(labels: pl.Series) -> np.ndarray:
    return labels.cast(pl.Float64).fill_null(float("nan")).to_numpy()


KIND = Binary()
