"""Blocks text that holds personal data or credentials of the kinds that the policy names."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headrace.decisions import Decision
from headrace.llm.guardrails.disguises import unmask
from headrace.llm.guardrails.guardrail import Context, judge
from headrace.llm.personal_data import KINDS, find


class PersonalData(BaseModel):
    """See `headrace.llm.guardrails.guardrail.Guardrail`; the score is the number of pieces that were found."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str] = "personal_data"
    sentence: ClassVar[str] = "This seems to hold personal data or a credential. Please leave it out and ask again."

    kinds: tuple[str, ...] = Field(min_length=1)
    max_characters: int = Field(gt=0)

    @field_validator("kinds")
    @classmethod
    def _are_known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(kinds) - set(KINDS)):
            raise ValueError(f"unknown kinds {', '.join(unknown)}; known: {', '.join(KINDS)}")
        return kinds

    def decide(self, text: str, context: Context) -> Decision:
        """Pass where nothing of the kinds is found, as it stands or behind invisible characters."""
        found = [finding.kind for finding in find(unmask(text)) if finding.kind in self.kinds]
        reason = f"holds {', '.join(sorted(set(found)))}" if found else "holds none of the kinds"
        return judge(self.name, is_passed=not found, reason=reason, score=len(found))
