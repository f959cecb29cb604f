"""Draw the curve of how sure a chain may be, and put its bar of silence, on questions whose section is known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from headrace.errors import CandidateError
from headrace.llm.abstention import tune_threshold
from headrace.llm.confidence import Confidence

# Fewer questions of either sort would draw a curve through luck.
MIN_QUESTIONS = 5


def fit_confidence(scores: Sequence[float], *, is_right: Sequence[bool], is_answerable: Sequence[bool], min_answered_fraction: float) -> Confidence:
    """Fit the curve, and put the bar where the asked share of the questions with an answer is answered.

    Args:
        scores: Score of the first section of each question; 0 where nothing was found.
        is_right: Whether that section holds the answer.
        is_answerable: Whether any section does.
        min_answered_fraction: Share of the questions with an answer that must lie above the bar, 0 to 1.

    Raises:
        CandidateError: There are too few questions whose first section is right, or wrong, to draw a curve.
    """
    right = np.asarray(is_right, dtype=bool)
    if min(int(right.sum()), int((~right).sum())) < MIN_QUESTIONS:
        raise CandidateError(
            f"of {right.size} tuning questions the first section is right for {int(right.sum())} and wrong for {int((~right).sum())}; "
            f"how sure a chain may be needs {MIN_QUESTIONS} of each: add questions with their sections"
        )
    values = np.asarray(scores, dtype=np.float64)
    curve = LogisticRegression(C=10.0).fit(values[:, None], right)
    slope, intercept = float(f"{curve.coef_[0][0]:.9g}"), float(f"{curve.intercept_[0]:.9g}")
    unbarred = Confidence(slope=slope, intercept=intercept, decline_below=0.0)
    confidences = [unbarred.estimate(score) for score in values.tolist()]
    bar = tune_threshold(confidences, is_answerable, min_answered_fraction=min_answered_fraction)
    return replace(unbarred, decline_below=bar)
