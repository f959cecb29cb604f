"""Quotations are parts of their passage, to the letter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.llm.quotation import choose_quotation

PASSAGE = "Lists are sequences. To sort a list in place, call its sort method.\n\nsorted() makes a new list. Tuples never change."


def test_the_sentences_that_share_most_with_the_question_are_quoted():
    assert choose_quotation("How do I sort a list in place?", PASSAGE, max_characters=60) == "To sort a list in place, call its sort method."


def test_neighbouring_sentences_are_quoted_as_far_as_they_fit():
    quotation = choose_quotation("What sorts a list in place?", PASSAGE, max_characters=80)
    assert quotation.endswith("To sort a list in place, call its sort method.") or quotation.startswith("To sort")
    assert len(quotation) <= 80


def test_a_colon_within_a_line_cuts_no_code_in_two_and_one_at_its_end_does():
    passage = 'Send mail like this:\nto = input("To: ").split(mail)'
    assert choose_quotation("What does split give?", passage, max_characters=45) == 'to = input("To: ").split(mail)'
    assert choose_quotation("How do I send it?", passage, max_characters=45) == "Send mail like this:"


def test_where_no_sentence_shares_a_word_the_first_is_quoted():
    assert choose_quotation("Zebras?", PASSAGE, max_characters=25) == "Lists are sequences."


def test_a_sentence_that_is_too_long_is_cut_at_a_word():
    assert choose_quotation("anything", "one two three four five", max_characters=12) == "one two"


def test_an_empty_passage_has_nothing_to_quote():
    assert choose_quotation("anything", " \n ") == ""


@settings(max_examples=40)
@given(st.text(max_size=300), st.text(max_size=40), st.integers(5, 80))
def test_a_quotation_is_a_part_of_its_passage_and_no_longer_than_asked(text, question, limit):
    quotation = choose_quotation(question, text, max_characters=limit)
    assert quotation in text
    assert len(quotation) <= limit
    assert bool(quotation) == bool(text.strip())
