"""What an answer is graded on: does it cite what is true, quote what is there, and stay silent where nobody knows?

Pure functions on what was said and what is known; who said it does not matter. A grade that cannot be given (no citation, no
truth) is None and counts for nobody, never 0 and never 1.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence

from headrace.llm.text_metrics import SUPPORT_THRESHOLD, measure_groundedness, measure_support


def is_true_section_cited(cited: Sequence[str], true_sections: Collection[str]) -> bool | None:
    """Whether at least one cited section answers the question; None where no section is known to.

    Args:
        cited: `section_id` of every passage that the answer cites.
        true_sections: `section_id` of every section that is known to answer the question.
    """
    return None if not true_sections else not set(cited).isdisjoint(true_sections)


def measure_citation_precision(cited: Sequence[str], true_sections: Collection[str]) -> float | None:
    """Share of the cited sections that answer the question, 0 to 1; None where none is cited or none is known to.

    A section that helps without being the one that the truth names counts as wrong, so this is a lower bound.
    """
    sections = set(cited)
    return None if not sections or not true_sections else len(sections & set(true_sections)) / len(sections)


def measure_claim_support(claims: Sequence[tuple[str, str]], *, threshold: float = SUPPORT_THRESHOLD) -> float | None:
    """Share of the citations whose passage holds the sentence that cites it, 0 to 1; None where no sentence cites.

    Args:
        claims: Sentence and text of the passage that it cites; a sentence that cites two passages stands twice.
        threshold: Share of its words from which a sentence counts as held; see `headrace.llm.text_metrics` for what that misses.
    """
    supports = [support for sentence, passage in claims if (support := measure_support(sentence, [passage])) is not None]
    return None if not supports else sum(support >= threshold for support in supports) / len(supports)


def is_verbatim(quote: str, passage: str) -> bool:
    """Whether a quote stands in its passage word for word, white space and the shape of quotation marks aside; an empty one does not."""
    plain = _flatten(quote)
    return bool(plain) and plain in _flatten(passage)


def measure_verbatim(quotes: Sequence[tuple[str, str]]) -> float | None:
    """Share of the quotes that stand in their passages word for word, 0 to 1; None where nothing is quoted.

    Args:
        quotes: Quote and text of the passage that it is said to be from.
    """
    return None if not quotes else sum(is_verbatim(quote, passage) for quote, passage in quotes) / len(quotes)


def grade_answer(
    *,
    answer: str,
    cited: Mapping[str, str],
    quotes: Sequence[tuple[str, str]],
    is_abstention: bool,
    true_sections: Collection[str],
    is_answerable: bool,
) -> dict[str, float]:
    """Every grade that an answer can be given without a model and without the text of a true answer.

    Args:
        answer: What was said, without citation marks; empty where it abstained.
        cited: `section_id` of every cited passage and its text.
        quotes: Quotes and the texts of their passages.
        is_abstention: Whether it said that it does not know.
        true_sections: `section_id` of the sections that are known to answer.
        is_answerable: False where the corpus is known not to hold an answer.

    Returns:
        Grade by name, 0 to 1: `abstention_correct` always; the others only where something was answered and they can be given.
    """
    grades: dict[str, float | bool | None] = {"abstention_correct": is_abstention != is_answerable}
    if not is_abstention:
        grades |= {
            "true_section_cited": is_true_section_cited(list(cited), true_sections),
            "citation_precision": measure_citation_precision(list(cited), true_sections),
            "quotes_verbatim": measure_verbatim(quotes),
            "grounded_fraction": measure_groundedness(answer, list(cited.values())).supported_fraction,
        }
    return {name: float(grade) for name, grade in grades.items() if grade is not None}


_QUOTATION_MARKS = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")


def _flatten(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTATION_MARKS).split())
