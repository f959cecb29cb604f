"""A grade is what a person would give, and where none can be given there is none."""

import pytest

from headrace.llm.grading import is_true_section_cited, is_verbatim, measure_citation_precision

PASSAGE = "Use os.remove(filename) or os.unlink(filename).  To remove a directory, use os.rmdir(); it\n  must be empty."


def test_one_true_section_among_those_cited_is_enough():
    assert is_true_section_cited(["a", "b"], {"b"}) is True
    assert is_true_section_cited([], {"b"}) is False
    assert is_true_section_cited(["a"], set()) is None


def test_citation_precision_counts_a_section_once():
    assert measure_citation_precision(["a", "a", "b"], {"a"}) == 0.5
    assert measure_citation_precision([], {"a"}) is None
    assert measure_citation_precision(["a"], ()) is None


@pytest.mark.parametrize(
    ("quote", "is_there"),
    [
        ("use os.rmdir(); it must be empty", True),
        ("use os.rmdir(); it has to be empty", False),
        ("it must  be\tempty.", True),
        ("", False),
        ("   ", False),
    ],
)
def test_a_quote_stands_word_for_word_whatever_its_white_space(quote, is_there):
    assert is_verbatim(quote, PASSAGE) is is_there


def test_quotation_marks_of_another_shape_are_the_same_quote():
    assert is_verbatim("Python\u2019s list", "In Python's list")
