"""The bar for "I do not know" turns away no more than it may, and what it is worth is measured elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.abstention import report_abstention, should_abstain, tune_threshold


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.floats(0, 1))
def test_a_bar_turns_away_no_more_answerable_questions_than_it_may(confidences, share):
    threshold = tune_threshold(confidences, [True] * len(confidences), min_answered_fraction=1 - share)
    turned_away = sum(should_abstain(confidence, threshold=threshold) for confidence in confidences)
    assert turned_away <= share * len(confidences) + 1e-6


def test_a_bar_is_as_high_as_it_may_be():
    confidences, answerable = [0.2, 0.4, 0.6, 0.8, 0.9], [True, True, True, True, False]
    assert tune_threshold(confidences, answerable, min_answered_fraction=0.75) == 0.4
    assert tune_threshold(confidences, answerable, min_answered_fraction=1) == 0.2


def test_precision_recall_and_false_alarm_are_those_counted_by_hand():
    report = report_abstention([0.1, 0.2, 0.3, 0.9, 0.8], [False, True, False, True, False], threshold=0.5, seed=1)
    assert report.precision.value == pytest.approx(2 / 3)
    assert report.recall.value == pytest.approx(2 / 3)
    assert report.false_alarm.value == pytest.approx(1 / 2)


def test_where_all_can_be_answered_there_is_no_recall():
    report = report_abstention([0.1, 0.9], [True, True], threshold=0.0, seed=1)
    assert (report.precision.value, report.recall.value, report.false_alarm.value) == (None, None, 0.0)


@pytest.mark.parametrize("confidence", [None, float("nan"), -1.0])
def test_no_confidence_is_no_answer(confidence):
    assert should_abstain(confidence, threshold=0.0)


def test_a_bar_needs_questions_that_can_be_answered():
    with pytest.raises(ValueError, match="there is none"):
        tune_threshold([0.5], [False], min_answered_fraction=0.9)
