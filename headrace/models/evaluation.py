"""How good probabilities of yes are: per-row losses and metrics.

The same functions judge a holdout and the live predictions, so that the two figures mean the same. A metric that cannot
be computed (no rows, one class only, a prediction that is not a number) is null, never 0: 0 would be a perfect loss.
"""

import math

import numpy as np

METRICS = ("log_loss", "normalized_log_loss", "roc_auc", "average_precision", "brier_score", "calibration_error")
HIGHER_IS_BETTER = frozenset({"roc_auc", "average_precision"})

# A certain prediction that is wrong costs 16 nats instead of infinity: enough to lose any comparison, not enough to hide
# every other row.
SMALLEST_PROBABILITY = 1e-7

# Ten bins of equal count hold 1,300 to 2,000 flights of a holdout each: a standard error of about 1 percentage point.
CALIBRATION_BINS = 10


def log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Loss of each prediction (nats): `-log` of the probability given to what happened. Not a number where either is."""
    likely = np.clip(probabilities, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return -(labels * np.log(likely) + (1 - labels) * np.log1p(-likely))


def score(*, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """Every metric of `METRICS`, null where it cannot be computed.

    `normalized_log_loss` is log loss over the entropy of the rows' own label rate (normalized entropy, He 2014): 1 is what a
    constant would lose that knows the rate. Months with twice the rate have nearly twice the loss; this is what is left of it.

    Args:
        labels: 1.0 or 0.0 per row.
        probabilities: Predicted probability of 1.0 per row, same order.
    """
    usable = labels.size > 0 and bool(np.isin(labels, (0.0, 1.0)).all()) and bool(((probabilities >= 0) & (probabilities <= 1)).all())
    if not usable:
        return dict.fromkeys(METRICS)
    roc_auc, average_precision = _ranking(labels=labels, probabilities=probabilities)
    log_loss, entropy = float(log_losses(labels, probabilities).mean()), _entropy(float(labels.mean()))
    return {
        "log_loss": log_loss,
        "normalized_log_loss": log_loss / entropy if entropy else None,
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "brier_score": float(np.square(probabilities - labels).mean()),
        "calibration_error": calibration_error(labels=labels, probabilities=probabilities),
    }


def roc_auc(*, labels: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Area under the ROC curve: how often a late row ranks above one that is not. Null with one class only."""
    return _ranking(labels=labels, probabilities=probabilities)[0]


def calibration_error(*, labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error (Naeini 2015) over bins of equal count; equal predictions fall into one bin."""
    edges = np.quantile(probabilities, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1])
    place = np.searchsorted(edges, probabilities, side="right")
    gaps = np.bincount(place, weights=labels - probabilities, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / labels.size)


def _entropy(rate: float) -> float:
    """Log loss (nats) of always predicting the rate of the rows themselves."""
    return -rate * math.log(rate) - (1 - rate) * math.log1p(-rate) if 0 < rate < 1 else 0.0


def _ranking(*, labels: np.ndarray, probabilities: np.ndarray) -> tuple[float | None, float | None]:
    """ROC AUC and average precision from one sort; equal predictions share their rank."""
    positives = float(labels.sum())
    negatives = labels.size - positives
    if not positives or not negatives:
        return None, None
    _, place, counts = np.unique(-probabilities, return_inverse=True, return_counts=True)
    hits = np.bincount(place, weights=labels)
    hits_until, rows_until = hits.cumsum(), counts.cumsum()
    misses_after = negatives - (rows_until - hits_until)
    wins = (hits * (misses_after + (counts - hits) / 2)).sum()
    return float(wins / (positives * negatives)), float((hits * hits_until / rows_until).sum() / positives)
