"""Bars of a policy: figures that must be at least, or at most, something. A figure that is missing or no number keeps no bar."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.decisions import Decision
from headrace.use_case import Policy

# Figures of answers in a model's words are not a version's own: they come from rows, and only where a prompt or model is new.
WORDED = "worded/"

# The gate that blocks until enough of them were made.
WORDED_QUESTIONS = "worded_questions"


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bounded figures.

    Attributes:
        floors: Figure -> the least that is promoted.
        ceilings: Figure -> the most that is promoted.
    """

    floors: Mapping[str, float]
    ceilings: Mapping[str, float]

    def __len__(self) -> int:
        """How many figures are bounded."""
        return len(self.floors) + len(self.ceilings)

    def list_broken(self, figures: Mapping[str, float | None]) -> list[str]:
        """A phrase for each figure that does not keep its bar; empty where all do."""
        low = [f"{name} {_show(figures.get(name))} is below {least:g}" for name, least in self.floors.items() if not _read(figures, name) >= least]
        return low + [
            f"{name} {_show(figures.get(name))} is above {most:g}" for name, most in self.ceilings.items() if not _read(figures, name) <= most
        ]


def read_bars(policy: Policy, *, worded: bool) -> Bars:
    """The bars of a policy: those of answers in a model's words, or all others."""
    floors, ceilings = ({name: bar for name, bar in bars.items() if name.startswith(WORDED) == worded} for bars in (policy.floors, policy.ceilings))
    return Bars(floors=floors, ceilings=ceilings)


def are_words_missing(decisions: Sequence[Decision]) -> bool:
    """Whether all that is missing for a verdict are answers in a model's words: they can still be made, so a version is not turned away for it."""
    refusals = {decision.gate for decision in decisions if not decision.passed}
    return refusals == {WORDED_QUESTIONS}


def _read(figures: Mapping[str, float | None], name: str) -> float:
    figure = figures.get(name)
    return math.nan if figure is None or not math.isfinite(figure) else figure


def _show(figure: float | None) -> str:
    return "(missing)" if figure is None else f"{figure:.4g}"
