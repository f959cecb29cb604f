"""Blocks an answer that repeats what the model was told in confidence, or personal data that its passages do not hold."""

import re
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from headrace.decisions import Decision
from headrace.llm.guardrails.disguises import list_views, unmask
from headrace.llm.guardrails.guardrail import Context, judge
from headrace.llm.personal_data import find

_WORD = re.compile(r"\w+")


class Leak(BaseModel):
    """See `headrace.llm.guardrails.guardrail.Guardrail`; the score is the number of words of the system prompt that stand in a row in the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str] = "leak"
    sentence: ClassVar[str] = "This assistant cannot show that answer. Please ask about the documents in other words."

    max_repeated_words: int = Field(ge=3)
    max_characters: int = Field(gt=0)

    def decide(self, text: str, context: Context) -> Decision:
        """Pass where at most `max_repeated_words` of the system prompt stand in a row in the answer, and it holds no personal data of its own.

        What the cited passages hold too is no secret.
        """
        cited = "\n".join(context.passages)
        plain = unmask(text)
        own = sorted({finding.kind for finding in find(plain) if plain[finding.start : finding.end] not in unmask(cited)})
        views = list_views(text) if context.system_prompt else ()
        repeated = max((count_repeated_words(view, context.system_prompt, public=cited) for view in views), default=0)
        reasons = [f"repeats {repeated} words of the system prompt in a row"] if repeated > self.max_repeated_words else []
        reasons += [f"holds {', '.join(own)} that its passages do not"] if own else []
        return judge(self.name, is_passed=not reasons, reason="; ".join(reasons) or "repeats nothing told in confidence", score=repeated)


def count_repeated_words(text: str, secret: str, *, public: str) -> int:
    """Length of the longest run of words of a secret that stands in a text, and not in what is public; case and punctuation do not count."""
    words, hidden, known = ([word.casefold() for word in _WORD.findall(part)] for part in (text, secret, public))
    found, shown = " " + " ".join(words) + " ", " " + " ".join(known) + " "
    longest = 0
    for start in range(len(hidden)):
        while start + longest < len(hidden):
            run = f" {' '.join(hidden[start : start + longest + 1])} "
            if run not in found or run in shown:
                break
            longest += 1
    return longest
