"""When to say "I do not know": a bar on how sure the retrieval is, found on questions of which it is known who can be answered.

The bar is tuned on one half of the questions and reported on the other. To abstain rightly is the positive case: precision is the
share of the abstentions that nobody could have answered, recall the share of the unanswerable questions that were left unanswered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace.llm.intervals import Interval, estimate_mean


@dataclass(frozen=True, kw_only=True)
class AbstentionReport:
    """How good the abstentions below a bar are.

    Attributes:
        threshold: The bar: below it, the answer is "I do not know".
        precision: Share of the abstentions that were unanswerable; without a value where nobody abstained.
        recall: Share of the unanswerable that were abstained from; without a value where all can be answered.
        false_alarm: Share of the answerable that were abstained from; without a value where none can be answered.
    """

    threshold: float
    precision: Interval
    recall: Interval
    false_alarm: Interval


def should_abstain(confidence: float | None, *, threshold: float) -> bool:
    """Whether to say that nobody knows; where nothing was retrieved, or the confidence is no number, always."""
    return confidence is None or not confidence >= threshold


def tune_threshold(confidences: Sequence[float], answerable: Sequence[bool], *, min_answered_fraction: float) -> float:
    """The highest bar at which at least a share of the answerable questions is still answered.

    The cost of an abstention is declared and not balanced: the mix of answerable and unanswerable questions in an evaluation
    set is made, so a bar that is best for the mix would be best for nothing.

    Args:
        confidences: One per question; more is surer.
        answerable: Whether the corpus holds an answer, in the same order.
        min_answered_fraction: Share of the answerable questions that must be answered, 0 to 1.

    Raises:
        ValueError: No question is answerable, so nothing says how high the bar may be.
    """
    held = np.sort(np.asarray(confidences, dtype=np.float64)[np.asarray(answerable, dtype=bool)])
    if held.size == 0:
        raise ValueError("a bar for abstention needs questions that can be answered, there is none")
    turned_away = int(np.floor((1 - min_answered_fraction) * held.size + 1e-9))
    return float(held[min(turned_away, held.size - 1)])


def report_abstention(confidences: Sequence[float], answerable: Sequence[bool], *, threshold: float, seed: int) -> AbstentionReport:
    """Measure a bar on questions that it was not tuned on.

    Args:
        confidences: One per question; more is surer.
        answerable: Whether the corpus holds an answer, in the same order.
        threshold: The bar.
        seed: Makes the intervals reproducible.
    """
    can_be_answered = np.asarray(answerable, dtype=bool)
    abstained = np.asarray([should_abstain(confidence, threshold=threshold) for confidence in confidences], dtype=bool)
    return AbstentionReport(
        threshold=threshold,
        precision=estimate_mean(~can_be_answered[abstained], seed=seed),
        recall=estimate_mean(abstained[~can_be_answered], seed=seed),
        false_alarm=estimate_mean(abstained[can_be_answered], seed=seed),
    )
