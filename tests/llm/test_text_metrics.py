"""Words tell an invented sentence from one that stands in its passage, as far as words can."""

import pytest

from headrace.llm.text_metrics import is_exact_match, measure_groundedness, measure_rouge_l, measure_support, normalise, split_sentences

PASSAGE = (
    "Lists and tuples are used in different ways. Tuples are immutable, so they can be keys of a dictionary. "
    "Since version 3.11 the function json.dumps() accepts them as well. Files are closed by a with statement."
)


def test_case_punctuation_articles_and_spaces_make_no_difference():
    assert normalise("The  \u201cFile\u201d, an object!") == "file object"
    assert is_exact_match("A tuple.", "the Tuple")
    assert not is_exact_match("A tuple", "a list")


def test_rouge_l_is_that_of_its_definition():
    # Longest common subsequence: tuple, is, immut (stems); 3 of 4 words and 3 of 3.
    assert measure_rouge_l("tuples always are immutable", "tuple are immutable") == pytest.approx(2 * 0.75 * 1 / 1.75)
    assert measure_rouge_l("nothing shared", "entirely different words") == 0


def test_sentences_end_where_prose_does_and_not_inside_a_name():
    text = "Use os.path.join here. It works, e.g. on Windows.\n\nSecond paragraph\n- an item"
    assert split_sentences(text) == ["Use os.path.join here.", "It works, e.g. on Windows.", "Second paragraph", "an item"]


@pytest.mark.parametrize(
    ("sentence", "is_held"),
    [
        ("Tuples are immutable, so they can be keys of a dictionary.", True),
        ("A dictionary can have tuples as keys, as they are immutable.", True),
        ("Since version 3.12 the function json.dumps() accepts them.", False),
        ("Since version 3.11 the function json.dump() accepts them.", False),
        ("Tuples are not immutable.", False),
        ("Generators are exhausted after one pass.", False),
    ],
)
def test_a_sentence_is_held_by_a_passage_or_not(sentence, is_held):
    assert (measure_groundedness(sentence, [PASSAGE]).unsupported == ()) is is_held


def test_a_dropped_negation_is_not_seen():
    assert measure_support("Threads run in parallel.", ["Threads do not run in parallel."]) == 1


def test_words_far_apart_in_a_passage_do_not_add_up():
    far = "Alpha wins. Nothing else. Really nothing. Still nothing. Omega loses."
    assert measure_support("Alpha loses omega wins.", [far]) < 0.8
    assert measure_support("Alpha loses omega wins.", ["Alpha wins. Omega loses."]) == 1


def test_no_passage_supports_nothing_and_common_words_claim_nothing():
    assert measure_groundedness("Tuples are immutable.", []).supported_fraction == 0
    assert measure_groundedness("It is so.", [PASSAGE]).supported_fraction is None
    assert measure_support("It is so.", [PASSAGE]) is None
