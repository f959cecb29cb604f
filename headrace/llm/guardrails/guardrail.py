"""What a guardrail is, and how its verdict is taken: one that cannot judge blocks.

A verdict is a `Decision` whose gate is the guardrail's name and whose evidence holds its `score`. Reasons name rules, kinds and figures,
never the text that was judged, so that logs and tables hold neither attacks nor people.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

from headrace.decisions import Decision, blocked, passed
from headrace.errors import HeadraceError

# What a text or a figure that nobody expected raises. Anything else is a fault of the code, and ends the run before any answer.
FAULTS = (HeadraceError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a guardrail may look at beside the text that it judges.

    Attributes:
        embedding: Of the question, unit length; None: nobody computed one.
        best_score: Of the passage that retrieval puts first; None: nothing was retrieved.
        passages: Texts that the answer cites.
        system_prompt: What the model was told before the question; empty: there is none.
    """

    embedding: np.ndarray | None = None
    best_score: float | None = None
    passages: tuple[str, ...] = ()
    system_prompt: str = ""


NOTHING = Context()


class Guardrail(Protocol):
    """One guardrail, with its thresholds.

    Attributes:
        name: Of its module.
    """

    name: ClassVar[str]

    @property
    def sentence(self) -> str:
        """What a person is told whom it blocks; it does not repeat what was asked."""
        ...

    @property
    def max_characters(self) -> int:
        """Longest text that it judges."""
        ...

    def decide(self, text: str, context: Context) -> Decision:
        """Whether the text may go on; the evidence holds `score`."""
        ...


@dataclass(frozen=True)
class BrokenGuardrail:
    """Stands for a guardrail that cannot be loaded, and blocks.

    Attributes:
        name: Of the guardrail.
        fault: Why it cannot be loaded.
    """

    name: str
    fault: str
    sentence: str = "This assistant cannot answer now: a safety check is not available."
    max_characters: int = 0

    def decide(self, text: str, context: Context) -> Decision:
        """Block."""
        return blocked(self.name, f"not loaded: {self.fault}")


def decide_with(guardrail: Guardrail | BrokenGuardrail, text: object, context: Context) -> Decision:
    """The verdict of one guardrail; it blocks on what is no text, is too long or raises a known fault, and where it returns no verdict."""
    if isinstance(guardrail, BrokenGuardrail):
        return guardrail.decide("", context)
    if not isinstance(text, str):
        return blocked(guardrail.name, f"cannot judge {type(text).__name__}, only text")
    if len(text) > guardrail.max_characters:
        return blocked(guardrail.name, f"cannot judge {len(text)} characters, at most {guardrail.max_characters}", {"characters": len(text)})
    try:
        verdict = guardrail.decide(text, context)
    except FAULTS as fault:
        # Its message could hold the text.
        return blocked(guardrail.name, f"{type(fault).__name__} inside the guardrail, so nothing was judged")
    if not _is_verdict(verdict):
        return blocked(guardrail.name, "returned no verdict with a finite score, so nothing was judged")
    return verdict


def _is_verdict(verdict: object) -> bool:
    if not isinstance(verdict, Decision) or not isinstance(verdict.passed, bool):
        return False
    score = verdict.evidence.get("score")
    return isinstance(score, int | float) and math.isfinite(score)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the guardrails of one stage say together.

    Attributes:
        decision: Passed only if every guardrail passed.
        verdicts: One per guardrail and text judged, in order.
        sentence: What a person is told; empty where it passed.
        kept: Of passages, the places of those that may be used, in order; of other texts nothing.
    """

    decision: Decision
    verdicts: tuple[Decision, ...]
    sentence: str = ""
    kept: tuple[int, ...] = ()


def judge(name: str, *, is_passed: bool, reason: str, score: float, evidence: Mapping[str, float | str] | None = None) -> Decision:
    """A verdict with its score."""
    return (passed if is_passed else blocked)(name, reason, {"score": score, **(evidence or {})})


@dataclass(frozen=True)
class Weights:
    """A linear classifier that is data: the probability is the logistic function of `embedding @ weights + intercept`.

    Attributes:
        weights: One per number of the embedding.
        intercept: Log-odds of an embedding of zeros.
        embedder: Version of the embedder that it was fitted on.
        sha256: Of its file.
    """

    weights: np.ndarray = field(repr=False)
    intercept: float
    embedder: str
    sha256: str

    def estimate(self, embedding: np.ndarray) -> float:
        """The probability, 0 to 1.

        Raises:
            ValueError: The embedding has another length, or is not a unit vector.
        """
        if embedding.shape != self.weights.shape:
            raise ValueError(f"expected an embedding of shape {self.weights.shape}, got {embedding.shape}")
        if not math.isclose(float(np.linalg.norm(embedding)), 1.0, abs_tol=1e-2):
            raise ValueError("expected an embedding of unit length")
        return float(1 / (1 + math.exp(-float(embedding @ self.weights) - self.intercept)))
