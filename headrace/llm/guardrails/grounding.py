"""Blocks an answer whose sentences the passages that it cites do not hold."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from headrace.decisions import Decision
from headrace.llm.guardrails.guardrail import Context, judge
from headrace.llm.text_metrics import measure_groundedness


class Grounding(BaseModel):
    """See `headrace.llm.guardrails.guardrail.Guardrail`; the score is the share of sentences that a cited passage holds, 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str] = "grounding"
    sentence: ClassVar[str] = "I do not know: what I could say is not in the documents that were found."

    min_supported_fraction: float = Field(gt=0, le=1)
    max_characters: int = Field(gt=0)

    def decide(self, text: str, context: Context) -> Decision:
        """Pass where enough of its sentences are held; an answer without passages, or without a word of its own, has nothing to stand on."""
        found = measure_groundedness(text, context.passages)
        fraction = found.supported_fraction
        if fraction is None:
            return judge(self.name, is_passed=False, reason="says nothing that a passage could hold", score=0.0)
        held = found.sentence_count - len(found.unsupported)
        reason = f"{held} of {found.sentence_count} sentences are in the cited passages, at least {self.min_supported_fraction:.0%} needed"
        return judge(self.name, is_passed=fraction >= self.min_supported_fraction, reason=reason, score=fraction)
