"""Turn the trees' scores into probabilities that mean what they say: Platt scaling (Platt 1999), two numbers.

    p = 1 / (1 + exp(-(slope * logit(score) + intercept)))

What it is fitted on matters more than the method. Flights, six candidates as of April 1 to June 10, judged on the four weeks
that followed each (log loss in nats, calibration error):

    trees without the validation window, Platt on that window        .5125   .0389
    trees on all rows, Platt on the validation window                .5107   .0455
    trees on all rows, uncalibrated                                  .5078   .0390
    trees on all rows, Platt on cross-fitted scores                  .5078   .0381   this one
    trees on all rows, isotonic on cross-fitted scores               .5079   .0374

Three weeks teach a calibration the weather of those weeks. Scores of all rows, each from trees that had not seen its week,
do not; on them Platt is as good as isotonic regression and stays two numbers that cannot overfit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from headrace.models.evaluation import SMALLEST_PROBABILITY

# Newton's method on two parameters of a convex loss is at machine precision after about six steps.
_STEPS, _HALVINGS, _PRECISION = 25, 30, 1e-9


def fit_platt(*, scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Fit slope and intercept by least log loss.

    Args:
        scores: Uncalibrated probabilities, each from trees that were not fitted on its row.
        labels: 1.0 or 0.0 per row, both present.
    """
    # Platt's own targets: as if one more row of each kind had been seen, so that perfect separation has a finite answer too.
    targets = np.where(labels == 1, (labels.sum() + 1) / (labels.sum() + 2), 1 / (labels.size - labels.sum() + 2))
    columns = np.column_stack((_logit(scores), np.ones(scores.size)))

    def loss(weights: np.ndarray) -> float:
        logits = columns @ weights
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    # From the constant that knows the rate, and never uphill (Lin 2007): from elsewhere a full step can overshoot for good.
    weights = np.array([0.0, float(_logit(targets.mean()))])
    for _ in range(_STEPS):
        direction = _newton_direction(columns, targets=targets, weights=weights)
        if np.abs(direction).max() < _PRECISION:
            break
        present, steps = loss(weights), (weights - direction / 2**halving for halving in range(_HALVINGS))
        weights = next((step for step in steps if loss(step) <= present), weights)
    return {"method": "platt", "slope": float(weights[0]), "intercept": float(weights[1])}


def _newton_direction(columns: np.ndarray, *, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    probabilities = _sigmoid(columns @ weights)
    curvature = (columns * (probabilities * (1 - probabilities))[:, None]).T @ columns
    # A ridge of one millionth of a row keeps the step finite where every score is the same.
    return np.linalg.solve(curvature + 1e-6 * np.eye(2), columns.T @ (probabilities - targets))


def calibrate(calibration: Mapping[str, Any], scores: np.ndarray) -> np.ndarray:
    """Probabilities of uncalibrated scores (both 0 to 1)."""
    return _sigmoid(float(calibration["slope"]) * _logit(scores) + float(calibration["intercept"]))


def _logit(scores: np.ndarray | float) -> np.ndarray:
    likely = np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log(likely) - np.log1p(-likely)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -logits))
