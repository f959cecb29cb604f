"""A sample of the answers of a window, graded by rules: do the sections stand in the index, the quotes in the sections, the words in the quotes?

The sample is drawn by a hash of each answer's id, so it is the same whoever draws it, and nobody can steer an answer into it.
"""

import hashlib
from collections.abc import Mapping, Sequence

from headrace.llm.grading import is_verbatim
from headrace.llm.monitoring.answered import Answered
from headrace.llm.text_metrics import measure_groundedness
from headrace.monitoring.figures import Figure, measure_mean, measure_share

# About a second of a core; the interval of a share near 1 is then 12 points wide.
SAMPLED_ANSWERS = 30


def draw_sample(answers: Sequence[Answered], *, most: int = SAMPLED_ANSWERS) -> list[Answered]:
    """At most so many of the answers that cite something, by the hash of their ids."""
    answered = [answer for answer in answers if answer.reply.is_answered]
    return sorted(answered, key=lambda answer: hashlib.sha256(answer.answer_id.encode()).digest())[:most]


def grade_sample(sample: Sequence[Answered], sections: Mapping[str, Mapping[str, str] | None]) -> list[Figure]:
    """Shares of answers whose citations exist, whose quotes are verbatim, and how much of what they say their sections hold.

    Args:
        sample: Answers.
        sections: Index version -> the sections in it (id -> text); None or missing: nobody knows that version.
    """
    names = ("grades/citations_exist_fraction", "grades/quotes_verbatim_fraction", "grades/grounded_fraction")
    known = [(answered, found) for answered in sample if (found := sections.get(answered.reply.pins.get("index", ""))) is not None]
    if len(known) < len(sample):
        reason = f"the index version of {len(sample) - len(known)} of {len(sample)} answers is not recorded"
        return [Figure(name=name, value=None, count=len(sample), reason=reason) for name in names]
    exist = sum(all(section in found for section in answered.reply.cited) for answered, found in known)
    verbatim = sum(all(is_verbatim(said.text, found.get(said.section_id, "")) for said in answered.reply.quotations) for answered, found in known)
    grounded = [_measure_grounded(answered, found) for answered, found in known]
    return [
        measure_share(names[0], exist, len(known)),
        measure_share(names[1], verbatim, len(known)),
        measure_mean(names[2], [value for value in grounded if value is not None]),
    ]


def _measure_grounded(answered: Answered, sections: Mapping[str, str]) -> float | None:
    """Share of the sentences that the cited sections hold; None where nothing in the answer can be judged. Headings of quotations say nothing."""
    reply = answered.reply
    is_quoted = all(said.text in reply.answer for said in reply.quotations)
    words = "\n".join(said.text for said in reply.quotations) if is_quoted and reply.quotations else reply.answer
    return measure_groundedness(words, [sections.get(section, "") for section in reply.cited]).supported_fraction
