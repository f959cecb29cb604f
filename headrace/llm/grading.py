"""What a citation is graded on: does it name a section that is known to answer?

Pure functions on what was said and what is known; who said it does not matter. A grade that cannot be given (no citation, no
truth) is None and counts for nobody, never 0 and never 1.
"""

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
