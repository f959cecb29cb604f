"""A sample of the answers of a window, graded by rules: do the sections stand in the index, and do they hold the quotes and the words?"""

from collections.abc import Mapping, Sequence

from headrace.llm.grading import is_verbatim
from headrace.llm.monitoring.answered import Answered, draw_answers
from headrace.llm.text_metrics import measure_groundedness
from headrace.llm.wording import remove_citations
from headrace.monitoring.figures import Figure, measure_mean, measure_share

# About a second of a core; the interval of a share near 1 is then 12 points wide.
SAMPLED_ANSWERS = 30


def draw_sample(answers: Sequence[Answered], *, most: int = SAMPLED_ANSWERS) -> list[Answered]:
    """At most so many of the answers that cite something."""
    return draw_answers([answered for answered in answers if answered.reply.is_answered], most=most)


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
    is_worded = reply.worded is not None and reply.worded.is_shown
    words = remove_citations(reply.answer) if is_worded else "\n\n".join(said.text for said in reply.quotations)
    return measure_groundedness(words, [sections.get(section, "") for section in reply.cited]).supported_fraction
