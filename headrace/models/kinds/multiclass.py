"""Multi-class classification: the probability of each class. Labels are strings.

The trees' probabilities are tempered (temperature scaling, Guo 2017): one number, which keeps the order of the classes.
A class that was not seen in training has no probability; a row of it costs 16 nats.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from headrace.models import evaluation
from headrace.models.evaluation import SMALLEST_PROBABILITY
from headrace.models.kinds.kind import SERVICE_WATCH, Column, Outcomes, Words

CLASS, PROBABILITY, PROBABILITIES = "predicted_class", "probability_fraction", "class_probabilities"

# Between these, trees of any use are calibrated: e^-3 makes them certain, e^3 knows nothing.
_LOG_TEMPERATURES = (-3.0, 3.0)

WORDS = Words(
    purpose="Probability of each value that `{label}` may take.",
    calibration="temperature-scaled",
    note=(
        "Log loss in nats; less is better, as for Brier score and calibration error. Normalized: 1 is a constant that knows the rates. "
        "ROC AUC is the mean of each class against all others."
    ),
    loss="log loss",
    loss_unit="nats",
    ranking="ROC AUC",
    score_unit="nats",
    described="share of the largest class",
    is_share=True,
    rule="historical rates",
    reliable="Does a probability mean what it says?",
    said="probability of the class that was predicted",
    came="share that came true",
)


class Multiclass:
    """See `headrace.models.kinds.kind.Kind`."""

    name = "multiclass"
    is_fitted = True
    metrics = ("log_loss", "normalized_log_loss", "roc_auc", "accuracy_fraction", "macro_f1", "brier_score", "calibration_error")
    higher_is_better = frozenset({"roc_auc", "accuracy_fraction", "macro_f1"})
    watched = ("log_loss", "roc_auc")
    described = ("largest_class_fraction", "predicted_largest_class_fraction")
    card_metrics = ("log_loss", "roc_auc", "accuracy_fraction")
    words = WORDS
    watches: tuple[str, ...] = (SERVICE_WATCH,)
    traces: str | None = None
    columns: Mapping[str, Column] = {
        CLASS: Column(type="string", description="The most probable class."),
        PROBABILITY: Column(type="float64", unit="fraction", range=(0, 1), description="Calibrated probability of that class, 0 to 1."),
        PROBABILITIES: Column(type="string", is_json=True, description="Calibrated probability of each class, as a JSON object."),
    }
    objectives: frozenset[str] = frozenset()
    rule_carries = False

    def find_label_fault(self, labels: pl.Series) -> str | None:
        """At least two classes must occur, as strings."""
        if labels.dtype != pl.String:
            return f"the label is {labels.dtype}, classes must be strings"
        found = labels.unique().sort().to_list()
        return None if len(found) > 1 else f"the label takes the values {found}, there must be two classes or more"

    def list_outcomes(self, labels: pl.Series) -> Outcomes:
        """The classes, sorted."""
        return tuple(labels.drop_nulls().unique().sort().to_list())

    def encode(self, labels: pl.Series, outcomes: Outcomes) -> np.ndarray:
        """Place of each label among the outcomes."""
        places = {outcome: float(place) for place, outcome in enumerate(outcomes)}
        return labels.replace_strict(places, default=None, return_dtype=pl.Float64).fill_null(float("nan")).to_numpy()

    def targets(self, label: str, outcomes: Outcomes) -> list[pl.Expr]:
        """Whether the label is each class, whose mean is its rate."""
        return [(pl.col(label) == outcome).cast(pl.Float64) for outcome in outcomes]

    def objective(self, outcomes: Outcomes) -> dict[str, Any]:
        """Log loss over all classes."""
        return {"objective": "multiclass", "metric": "multi_logloss", "num_class": len(outcomes)}

    def fit_linear(self, design: np.ndarray, codes: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """One logistic regression per class against all others: each converges to rounding error, as the binary one does."""
        from sklearn.linear_model import LogisticRegression

        coefficients, intercepts = np.zeros((len(outcomes), design.shape[1])), np.full(len(outcomes), math.log(SMALLEST_PROBABILITY))
        for code in np.unique(codes).astype(np.int64):
            fitted = LogisticRegression(solver="newton-cholesky", C=1.0, max_iter=100).fit(design, codes == code)
            coefficients[code], intercepts[code] = fitted.coef_[0], fitted.intercept_[0]
        return coefficients, intercepts

    def link(self, raw: np.ndarray) -> np.ndarray:
        """Each class's own logistic function, normalized to a sum of 1."""
        likely = np.exp(-np.logaddexp(0, -raw))
        return likely / likely.sum(axis=1, keepdims=True)

    def fit_calibration(self, scores: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
        """The temperature of least log loss."""
        from scipy.optimize import minimize_scalar

        places = codes.astype(np.int64)

        def loss(log_temperature: float) -> float:
            likely = _temper(scores, math.exp(log_temperature))
            return float(-np.log(np.maximum(likely[np.arange(places.size), places], SMALLEST_PROBABILITY)).mean())

        found = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-6})
        return {"method": "temperature", "temperature": float(f"{math.exp(found.x):.6g}")}

    def calibrate(self, calibration: Mapping[str, Any], scores: np.ndarray) -> np.ndarray:
        """Tempered probabilities (rows x classes)."""
        return _temper(scores, float(calibration["temperature"]))

    def losses(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> np.ndarray:
        """Log loss of each prediction (nats): `-log` of the probability given to what happened."""
        codes = self.encode(labels, outcomes)
        known = np.isfinite(codes)
        given = np.where(known, predictions[np.arange(codes.size), np.where(known, codes, 0).astype(np.int64)], 0.0)
        losses = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0))
        return np.where(labels.is_null().to_numpy() | ~np.isfinite(predictions).all(axis=1), np.nan, losses)

    def score(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Every metric of `metrics`: ROC AUC is the mean over classes of each against the rest, calibration that of the class predicted."""
        if not len(labels) or labels.null_count() or not self.is_possible(predictions):
            return dict.fromkeys(self.metrics)
        log_loss = float(self.losses(labels, predictions, outcomes).mean())
        entropy = _entropy(labels)
        is_right = self.compare(labels, predictions, outcomes)[1]
        happened = np.column_stack([(labels == outcome).to_numpy() for outcome in outcomes]).astype(np.float64)
        return {
            "log_loss": log_loss,
            "normalized_log_loss": log_loss / entropy if entropy else None,
            "roc_auc": self.rank(labels, predictions, outcomes),
            "accuracy_fraction": float(is_right.mean()),
            "macro_f1": _macro_f1(happened, predictions.argmax(axis=1)),
            "brier_score": float(np.square(predictions - happened).sum(axis=1).mean()),
            "calibration_error": evaluation.calibration_error(labels=is_right, probabilities=predictions.max(axis=1)),
        }

    def describe(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Share of the most frequent class among labels, and among predictions."""
        if not len(labels) or not self.is_possible(predictions):
            return {"largest_class_fraction": None, "predicted_largest_class_fraction": None}
        largest = labels.value_counts().sort(["count", labels.name or ""], descending=[True, False])[labels.name or ""][0]
        return {
            "largest_class_fraction": float((labels == largest).mean() or 0.0),
            "predicted_largest_class_fraction": float((_name_classes(predictions, outcomes) == largest).mean()),
        }

    def rank(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> float | None:
        """Mean ROC AUC of each class against all others; classes that do not occur, or alone, are left out."""
        found = [
            evaluation.roc_auc(labels=(labels == outcome).cast(pl.Float64).to_numpy(), probabilities=predictions[:, place])
            for place, outcome in enumerate(outcomes)
        ]
        known = [auc for auc in found if auc is not None]
        return float(np.mean(known)) if known else None

    def is_possible(self, predictions: np.ndarray) -> bool:
        """Finite, not negative, each row's sum 1."""
        return bool(np.isfinite(predictions).all() and (predictions >= 0).all() and (np.abs(predictions.sum(axis=1) - 1) < 1e-6).all())

    def to_columns(self, predictions: np.ndarray, outcomes: Outcomes) -> list[pl.Series]:
        """The class, its probability, and all probabilities."""
        return [
            pl.Series(CLASS, _name_classes(predictions, outcomes), dtype=pl.String),
            pl.Series(PROBABILITY, predictions.max(axis=1), dtype=pl.Float64),
            pl.Series(PROBABILITIES, [json.dumps(dict(zip(outcomes, row, strict=True))) for row in predictions.tolist()], dtype=pl.String),
        ]

    def from_columns(self, rows: pl.DataFrame, *, prefix: str = "") -> tuple[np.ndarray, Outcomes]:
        """All probabilities; the outcomes are those of the rows together."""
        written = [json.loads(text) if text is not None else {} for text in rows[f"{prefix}{PROBABILITIES}"].to_list()]
        outcomes = tuple(sorted({outcome for row in written for outcome in row}))
        predictions = [[row.get(outcome, 0.0 if row else math.nan) for outcome in outcomes] for row in written]
        return np.array(predictions, dtype=np.float64).reshape(rows.height, len(outcomes)), outcomes

    def compare(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """The probability of the class predicted, and whether it was right."""
        return predictions.max(axis=1), (_name_classes(predictions, outcomes) == labels.to_numpy()).astype(np.float64)

    def drift_values(self, predictions: np.ndarray, outcomes: Outcomes) -> pl.Series:
        """The class predicted."""
        return pl.Series(CLASS, _name_classes(predictions, outcomes), dtype=pl.String)


def _name_classes(predictions: np.ndarray, outcomes: Outcomes) -> np.ndarray:
    """The most probable class of each row."""
    return np.array(outcomes, dtype=object)[predictions.argmax(axis=1)]


def _temper(scores: np.ndarray, temperature: float) -> np.ndarray:
    logits = np.log(np.maximum(scores, SMALLEST_PROBABILITY)) / temperature
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


def _entropy(labels: pl.Series) -> float:
    """Log loss (nats) of always predicting the classes' rates among the rows themselves."""
    rates = np.sort(labels.value_counts()["count"].to_numpy()) / len(labels)
    return float(-(rates * np.log(rates)).sum())


def _macro_f1(happened: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes that occur, or are predicted, of the harmonic mean of precision and recall."""
    said = np.eye(happened.shape[1])[predicted]
    right, total = (happened * said).sum(axis=0), happened.sum(axis=0) + said.sum(axis=0)
    return float((2 * right[total > 0] / total[total > 0]).mean())


KIND = Multiclass()
