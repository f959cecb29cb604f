"""The assistant's figures, by hand."""

import numpy as np
import polars as pl
import pytest

from headrace.models.kinds.assistant import DOES_NOT_KNOW, KIND, NO_SECTION, Reply, format_replies

RANKED = tuple(f"page#{place}" for place in range(1, 61))


def reply(*, answer="Yes.", confidence=0.5, ranked=RANKED):
    cited = () if answer == DOES_NOT_KNOW else ranked[:1]
    return Reply(answer=answer, cited=cited, ranked=ranked, confidence=confidence)


def losses(labels, *replies):
    return KIND.losses(pl.Series(labels, dtype=pl.String), format_replies(replies), ()).tolist()


@pytest.mark.parametrize(("label", "expected"), [("page#1", 0.0), ("page#3", 0.5), ("page#11", 1.0), ("elsewhere", 1.0)])
def test_the_loss_is_what_the_ranking_lacks_to_a_perfect_one(label, expected):
    assert losses([label], reply()) == [expected]


def test_to_say_that_one_does_not_know_is_right_where_no_section_answers_and_wrong_elsewhere():
    silent = reply(answer=DOES_NOT_KNOW)
    assert losses([NO_SECTION, "page#1"], silent, silent) == [0.0, 1.0]
    assert losses([NO_SECTION], reply()) == [1.0]


def test_a_question_without_a_label_has_no_loss():
    assert np.isnan(losses([None], reply())).all()


def test_ranking_is_judged_on_questions_with_an_answer_whether_or_not_it_dared_to_give_one():
    labels = pl.Series(["page#1", "page#3", "page#40", NO_SECTION, NO_SECTION])
    replies = [reply(), reply(answer=DOES_NOT_KNOW), reply(), reply(answer=DOES_NOT_KNOW), reply()]
    scored = KIND.score(labels, format_replies(replies), ())
    assert scored == pytest.approx(
        {
            "answer_loss": (0 + 1 + 1 + 0 + 1) / 5,
            "ndcg_at_10": (1 + 0.5 + 0) / 3,
            "reciprocal_rank": (1 + 1 / 3 + 1 / 40) / 3,
            "recall_at_10_fraction": 2 / 3,
            "recall_at_50_fraction": 1.0,
            "answered_fraction": 2 / 3,
            "declined_fraction": 1 / 2,
        }
    )
    assert KIND.describe(labels, format_replies(replies), ()) == {"unanswerable_fraction": 0.4, "silent_fraction": 0.4}


def test_a_share_of_questions_that_there_are_none_of_is_null():
    assert KIND.score(pl.Series(["page#1"]), format_replies([reply()]), ())["declined_fraction"] is None


def test_confidence_is_compared_with_whether_the_first_section_is_right():
    said, came = KIND.compare(pl.Series(["page#1", "page#2"]), format_replies([reply(confidence=0.8), reply(confidence=0.3)]), ())
    assert (said.tolist(), came.tolist()) == ([0.8, 0.3], [1.0, 0.0])


def test_a_confidence_that_is_no_probability_is_no_prediction():
    assert KIND.is_possible(format_replies([reply(confidence=1.0)]))
    assert not KIND.is_possible(format_replies([reply(confidence=1.2)]))


@pytest.mark.parametrize("text", [None, "no JSON", "[]", "{}", '{"answer": "Yes."}'])
def test_what_is_no_reply_is_no_prediction_and_no_crash(text):
    assert not KIND.is_possible(np.array([text], dtype=object))


@pytest.mark.parametrize(
    ("labels", "fault"),
    [([1.0], "ids of sections must be strings"), ([NO_SECTION], "no question has a section"), (["page#1", NO_SECTION], None)],
)
def test_labels_name_sections(labels, fault):
    found = KIND.find_label_fault(pl.Series(labels))
    assert found is None if fault is None else fault in str(found)
