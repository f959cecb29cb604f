"""Blocks a question for which retrieval finds nothing near enough in the documents."""

import math
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from headrace.decisions import Decision
from headrace.llm.guardrails.guardrail import Context, judge


class OffTopic(BaseModel):
    """See `headrace.llm.guardrails.guardrail.Guardrail`; the score is that of the best passage, in the unit of the chain's retrieval."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str] = "off_topic"
    sentence: ClassVar[str] = "I do not know: the documents do not seem to be about this."

    min_score: float = Field(allow_inf_nan=False)
    max_characters: int = Field(gt=0)

    def decide(self, text: str, context: Context) -> Decision:
        """Pass where the best passage scores at least `min_score`; nothing was retrieved: block."""
        if context.best_score is None or not math.isfinite(context.best_score):
            raise ValueError("there is no score of a best passage")
        score = float(context.best_score)
        reason = f"best passage {score:.3f}, at least {self.min_score:.3f} needed"
        return judge(self.name, is_passed=score >= self.min_score, reason=reason, score=score)
