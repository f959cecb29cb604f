"""How sure a chain may be that the first section it found holds the answer: a logistic curve over how retrieval scored it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from headrace.errors import CandidateError


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """The curve, and where it is too low to answer.

    Attributes:
        slope: Log-odds per unit of the score.
        intercept: Log-odds at the score 0.
        decline_below: Probability under which the chain says that it does not know, 0 to 1.
    """

    slope: float
    intercept: float
    decline_below: float

    def estimate(self, score: float) -> float:
        """Probability (0 to 1) that the first section holds the answer; 0 where the score is no number."""
        if not math.isfinite(score):
            return 0.0
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, self.intercept + self.slope * score))))

    def as_json(self) -> dict[str, float]:
        """What a chain's file holds of it."""
        return {"slope": self.slope, "intercept": self.intercept, "decline_below": self.decline_below}


def parse_confidence(content: Mapping[str, float]) -> Confidence:
    """The curve that JSON holds.

    Raises:
        CandidateError: A number is missing, or is none.
    """
    try:
        found = Confidence(slope=float(content["slope"]), intercept=float(content["intercept"]), decline_below=float(content["decline_below"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CandidateError(
            f"a chain's confidence needs slope, intercept and decline_below, it has {sorted(content)}; build the chain again"
        ) from error
    if not all(map(math.isfinite, (found.slope, found.intercept, found.decline_below))):
        raise CandidateError("a number of the chain's confidence is not finite; build the chain again")
    return found
