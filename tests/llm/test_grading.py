"""A grade is what a person would give, and where none can be given there is none."""

import pytest

from headrace.llm.grading import (
    grade_answer,
    is_true_section_cited,
    is_verbatim,
    measure_citation_precision,
    measure_claim_support,
    measure_verbatim,
)

PASSAGE = "Use os.remove(filename) or os.unlink(filename).  To remove a directory, use os.rmdir(); it\n  must be empty."


def test_one_true_section_among_those_cited_is_enough():
    assert is_true_section_cited(["a", "b"], {"b"}) is True
    assert is_true_section_cited([], {"b"}) is False
    assert is_true_section_cited(["a"], set()) is None


def test_citation_precision_counts_a_section_once():
    assert measure_citation_precision(["a", "a", "b"], {"a"}) == 0.5
    assert measure_citation_precision([], {"a"}) is None
    assert measure_citation_precision(["a"], ()) is None


def test_a_claim_is_held_by_the_passage_that_it_cites_or_not():
    held = ("To remove a directory use os.rmdir().", PASSAGE)
    not_held = ("To remove a directory use shutil.rmtree().", PASSAGE)
    assert measure_claim_support([held, not_held]) == 0.5
    assert measure_claim_support([("That is so.", PASSAGE)]) is None


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


def test_no_quote_has_no_grade():
    assert measure_verbatim([]) is None
    assert measure_verbatim([("empty", PASSAGE), ("full", PASSAGE)]) == 0.5


def test_an_answer_gets_every_grade_that_can_be_given():
    grades = grade_answer(
        answer="Use os.remove(filename). Call the moon on Tuesday.",
        cited={"s1": PASSAGE, "s2": "Something else."},
        quotes=[("must be empty", PASSAGE)],
        is_abstention=False,
        true_sections={"s1"},
        is_answerable=True,
    )
    assert grades == {"abstention_correct": 1, "true_section_cited": 1, "citation_precision": 0.5, "quotes_verbatim": 1, "grounded_fraction": 0.5}


@pytest.mark.parametrize(("is_abstention", "is_answerable", "grade"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_an_abstention_is_right_where_nobody_can_answer_and_only_there(is_abstention, is_answerable, grade):
    graded = grade_answer(answer="", cited={}, quotes=[], is_abstention=is_abstention, true_sections=(), is_answerable=is_answerable)
    assert graded == {"abstention_correct": grade}
