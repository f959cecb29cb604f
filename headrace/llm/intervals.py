"""How sure a mean over questions is: bootstrap intervals of one mean, and of the difference of two on the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace.resampling import resample_means

# Two-sided: one mean in twenty lies outside.
CONFIDENCE_FRACTION = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over questions and where it may lie.

    Attributes:
        value: The mean; None where there is no question.
        lower: Lower end of the interval; None where there is no question.
        upper: Upper end; None where there is no question.
        count: Number of questions.
    """

    value: float | None
    lower: float | None
    upper: float | None
    count: int


def estimate_mean(values: Sequence[float] | np.ndarray, *, seed: int, confidence_fraction: float = CONFIDENCE_FRACTION) -> Interval:
    """The mean of one figure per question, with its two-sided percentile interval.

    Questions are drawn one by one, so the interval says what other questions of the same kind would give. It does not say
    what questions of another kind would. With a single question there is no spread, and the interval is that one value.

    Args:
        values: One finite figure per question.
        seed: Makes the interval reproducible.
        confidence_fraction: Share of such intervals that hold the true mean, 0 to 1.

    Raises:
        ValueError: A figure is not finite: a question without a figure must be left out or counted as 0 by whoever knows which.
    """
    figures = np.asarray(values, dtype=np.float64)
    if figures.size == 0:
        return Interval(value=None, lower=None, upper=None, count=0)
    if not np.isfinite(figures).all():
        raise ValueError(f"{int((~np.isfinite(figures)).sum())} of {figures.size} figures are not finite, so they have no mean")
    means = resample_means(figures, np.ones_like(figures), seed=seed)
    tail = (1 - confidence_fraction) / 2
    return Interval(
        value=float(figures.mean()), lower=float(np.quantile(means, tail)), upper=float(np.quantile(means, 1 - tail)), count=int(figures.size)
    )


def estimate_gain(
    values: Sequence[float] | np.ndarray,
    others: Sequence[float] | np.ndarray,
    *,
    seed: int,
    confidence_fraction: float = CONFIDENCE_FRACTION,
) -> Interval:
    """The mean of `values - others`, question by question; pairing takes out that some questions are hard for everybody.

    Args:
        values: One figure per question.
        others: Figures of the same questions in the same order.
        seed: Makes the interval reproducible.
        confidence_fraction: As for `estimate_mean`.

    Raises:
        ValueError: The two are not of one length, or a figure is not finite.
    """
    figures, opposite = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if figures.shape != opposite.shape:
        raise ValueError(f"a paired difference needs the same questions on both sides, not {figures.size} and {opposite.size}")
    return estimate_mean(figures - opposite, seed=seed, confidence_fraction=confidence_fraction)
