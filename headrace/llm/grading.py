"""What an answer is graded on: does it cite what is known to answer, and quote what is there?

Pure functions on what was said and what is known; who said it does not matter. A grade that cannot be given (no citation, no
truth) is None and counts for nobody, never 0 and never 1.
"""

import unicodedata
from collections.abc import Collection, Sequence


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


def is_verbatim(quote: str, passage: str) -> bool:
    """Whether a quote stands in its passage word for word, white space and the shape of quotation marks aside; an empty one does not."""
    plain = _flatten(quote)
    return bool(plain) and plain in _flatten(passage)


_QUOTATION_MARKS = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")


def _flatten(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTATION_MARKS).split())
