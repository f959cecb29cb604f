"""Blocks text that tells the model what to do: in a question by rules and a classifier over its embedding, in a passage by rules.

The classifier is logistic regression; its weights are a data file written by `python -m benchmarks.guardrails.train`, and the chain pins
their hash. Where the classifier is in the configuration and a question comes without an embedding, it cannot be judged.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from headrace.decisions import Decision
from headrace.llm.guardrails.guardrail import Context, Weights, judge
from headrace.llm.guardrails.injection_rules import find_in_document, find_in_question

WEIGHTS = Path(__file__).with_name("prompt_injection_weights.json")

# What a person is told, by what was judged: who asked an honest question has done nothing wrong where a document is poisoned.
SENTENCES = {
    "question": "This reads like an instruction to the assistant, not like a question about the documents. Please ask in other words.",
    "document": "What was found reads like instructions to the assistant, not like documentation, so it is not shown. A person should look at it.",
}


class PromptInjection(BaseModel):
    """See `headrace.llm.guardrails.guardrail.Guardrail`; the score is 1 where a rule matches, else what the classifier says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str] = "prompt_injection"

    place: Literal["question", "document"]
    max_score: float | None = Field(ge=0, le=1)
    weights_sha256: str | None
    max_characters: int = Field(gt=0)

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return SENTENCES[self.place]

    @model_validator(mode="after")
    def _weights_are_there(self) -> "PromptInjection":
        if (self.max_score is None) != (self.weights_sha256 is None):
            raise ValueError("max_score and weights_sha256 belong together: both, or neither for rules alone")
        if self.weights_sha256 is not None and self.place == "document":
            raise ValueError("passages are judged by rules alone: set max_score and weights_sha256 to null")
        if self.weights_sha256 is not None and (here := read_weights().sha256) != self.weights_sha256:
            raise ValueError(f"the weights here have the sha256 {here}, the configuration pins {self.weights_sha256}")
        return self

    def decide(self, text: str, context: Context) -> Decision:
        """Pass where no rule matches and the classifier, if there is one, is at most `max_score`."""
        rule = find_in_question(text) if self.place == "question" else find_in_document(text)
        if rule is not None:
            return judge(self.name, is_passed=False, reason=f"matches the rule {rule}", score=1.0, evidence={"rule": rule})
        if self.max_score is None:
            return judge(self.name, is_passed=True, reason="matches no rule", score=0.0)
        if context.embedding is None:
            raise ValueError("the classifier needs the embedding of the question")
        score = read_weights().estimate(context.embedding)
        reason = f"classifier {score:.3f}, at most {self.max_score:.3f} allowed"
        return judge(self.name, is_passed=score <= self.max_score, reason=reason, score=score)


@lru_cache(maxsize=4)
def read_weights(path: Path = WEIGHTS) -> Weights:
    """The classifier, from its file.

    Raises:
        ValueError: The file is not there, or not such a classifier.
    """
    try:
        content = path.read_bytes()
        fields = json.loads(content)
        weights, intercept, embedder = np.array(fields["weights"], dtype=np.float32), float(fields["intercept"]), str(fields["embedder"])
    except (OSError, KeyError, TypeError) as fault:
        raise ValueError(f"{path.name} cannot be read ({type(fault).__name__}); write it by python -m benchmarks.guardrails.train") from fault
    if weights.ndim != 1 or not np.isfinite(weights).all() or not np.isfinite(intercept):
        raise ValueError(f"{path.name} must hold one finite number per dimension; write it by python -m benchmarks.guardrails.train")
    return Weights(weights=weights, intercept=intercept, embedder=embedder, sha256=hashlib.sha256(content).hexdigest())
