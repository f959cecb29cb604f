"""How the chains of an assistant are built: what a use case declares in the place of a model's `TrainingSpec`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ChainSpec:
    """How candidates of an assistant are built.

    Attributes:
        holdout_fraction: Share of the questions with a known answer that judge, the newest; nothing is tuned on them. 0 to 1.
        validation_fraction: Share before it; retrieval is tuned on it and on all before. 0 to 1.
        chunks: Noun of the gold table whose index is searched.
        quoted: Number of sections that an answer quotes.
        min_answered_fraction: Share of the tuning questions with an answer that must be answered: where the assistant declines is set by it, 0 to 1.
        prompt: Name of the prompt, a file of the use case's folder `prompts`.
        model: Alias of the model that words answers; None: answers are quotations only.
        guardrails: Configuration of the guardrails.
        worded_at_once: Questions to which each champion words its answers in a tick; `make evaluate` asks all of them.
    """

    holdout_fraction: float
    validation_fraction: float
    chunks: str
    quoted: int
    min_answered_fraction: float
    prompt: str
    model: str | None
    guardrails: Mapping[str, Any]
    worded_at_once: int
