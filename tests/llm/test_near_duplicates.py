"""What repeats another text is found, what differs is kept."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.near_duplicates import FEWEST_RUNS, RUN_LENGTH, find_duplicates

LONG = [f"word{number}" for number in range(200)]


def test_texts_that_differ_in_case_and_blanks_only_are_one():
    assert find_duplicates(["Open the file.", "open  the\nFILE.", "Close the file."]) == [None, 0, None]


def test_a_long_text_with_a_few_changed_words_repeats_the_first():
    changed = [*LONG[:100], "other", *LONG[101:]]
    assert find_duplicates([" ".join(LONG), "Something else.", " ".join(changed)]) == [None, None, 0]


def test_a_long_text_of_which_a_fifth_is_new_is_kept():
    changed = [*LONG[:160], *(f"other{number}" for number in range(40))]
    assert find_duplicates([" ".join(LONG), " ".join(changed)]) == [None, None]


def test_short_texts_are_one_only_when_they_are_equal():
    few = " ".join(LONG[: FEWEST_RUNS + RUN_LENGTH - 2])
    assert find_duplicates([few, few + " more", few]) == [None, None, 0]


def test_an_empty_list_has_no_duplicates():
    assert find_duplicates([]) == []


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=3).map(" ".join), max_size=12))
def test_short_texts_agree_with_comparing_all_pairs(texts):
    expected = [next((other for other in range(number) if texts[other].split() == texts[number].split()), None) for number in range(len(texts))]
    found = find_duplicates(texts)
    assert found == expected
    assert all(found[kept] is None for kept in found if kept is not None)
