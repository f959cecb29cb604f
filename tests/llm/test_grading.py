"""A grade is what a person would give, and where none can be given there is none."""

from headrace.llm.grading import is_true_section_cited, measure_citation_precision


def test_one_true_section_among_those_cited_is_enough():
    assert is_true_section_cited(["a", "b"], {"b"}) is True
    assert is_true_section_cited([], {"b"}) is False
    assert is_true_section_cited(["a"], set()) is None


def test_citation_precision_counts_a_section_once():
    assert measure_citation_precision(["a", "a", "b"], {"a"}) == 0.5
    assert measure_citation_precision([], {"a"}) is None
    assert measure_citation_precision(["a"], ()) is None
