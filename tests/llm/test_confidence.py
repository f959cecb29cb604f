"""How sure a chain is, and where it declines."""

import pytest

from headrace.errors import CandidateError
from headrace.llm.confidence import parse_confidence
from headrace.llm.confidence_fitting import fit_confidence

SCORES = [place / 40 for place in range(40)]
RIGHT = [score > 0.4 or place % 5 == 0 for place, score in enumerate(SCORES)]


def fit(**changes):
    return fit_confidence(**{"scores": SCORES, "is_right": RIGHT, "is_answerable": [True] * 40, "min_answered_fraction": 0.9} | changes)


def test_a_better_score_is_surer_and_the_mean_is_as_often_right_as_it_says():
    curve = fit()
    said = [curve.estimate(score) for score in SCORES]
    assert said == sorted(said)
    assert sum(said) / 40 == pytest.approx(sum(RIGHT) / 40, abs=0.02)


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_the_bar_lets_the_asked_share_of_questions_with_an_answer_through(share):
    curve = fit(min_answered_fraction=share)
    answered = sum(curve.estimate(score) >= curve.decline_below for score in SCORES)
    assert answered >= share * 40


def test_questions_without_an_answer_do_not_move_the_bar():
    assert fit(is_answerable=[score > 0.5 for score in SCORES]).decline_below > fit().decline_below


def test_a_curve_is_written_down_and_read_back():
    assert parse_confidence(fit().as_json()) == fit()


def test_a_score_that_is_no_number_is_sure_of_nothing():
    assert [fit().estimate(score) for score in (float("nan"), float("inf"))] == [0.0, 0.0]


@pytest.mark.parametrize("is_right", [[True] * 40, [False] * 36 + [True] * 4])
def test_a_curve_through_luck_is_refused(is_right):
    with pytest.raises(CandidateError, match="needs 5 of each: add questions"):
        fit(is_right=is_right)


@pytest.mark.parametrize(
    "content", [{}, {"slope": 1.0, "intercept": "x", "decline_below": 0.1}, {"slope": 1.0, "intercept": float("nan"), "decline_below": 0.0}]
)
def test_a_broken_curve_is_refused(content):
    with pytest.raises(CandidateError, match="build the chain again"):
        parse_confidence(content)
