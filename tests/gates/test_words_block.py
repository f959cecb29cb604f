"""The gate of answers in a model's words: a worse prompt, a dearer one, and every way in which it cannot decide."""

from dataclasses import replace

import polars as pl
import pytest

from headrace import use_case as use_cases
from headrace.decisions import blocked, passed
from headrace.llm.wording_gate import GATE, decide_words
from headrace.registry.bars import WORDED_QUESTIONS, are_words_missing
from tests.llm.worded_rows import COUNT, worded_rows
from tests.models.purchases import POLICY

BARS = replace(
    POLICY,
    floors={
        "worded/question_count": 50,
        "worded/grounded_fraction_lower_bound": 0.6,
        "worded/worded_fraction_gain_lower_bound": -0.1,
        # Of the version itself: another gate's.
        "holdout/ndcg_at_10": 0.9,
    },
    ceilings={"worded/token_count_ratio_upper_bound": 1.25, "worded/cost_usd": 0.02, "worded/latency_p95_s": 20.0, "holdout/reply_p95_ms": 1.0},
)
CHAMPION = worded_rows(model_id="old")
SPLIT = [500] * (COUNT // 2) + [900] * (COUNT // 2)


def judge(challenger, champion=CHAMPION, policy=BARS):
    return decide_words(challenger=challenger, champion=champion, policy=policy, seed=1)


def test_words_as_good_and_as_cheap_pass():
    decision = judge(worded_rows(worded=0.6, tokens=520))
    assert decision.passed, decision.reason
    assert decision.evidence["worded/token_count"] == 520
    assert decision.evidence["worded/champion_token_count"] == 500
    assert decision.evidence["worded/token_count_ratio_upper_bound"] == pytest.approx(1.04)


@pytest.mark.parametrize(
    ("challenger", "champion", "reason"),
    [
        pytest.param(worded_rows(worded=0.2), CHAMPION, "worded/worded_fraction_gain_lower_bound", id="a worse prompt: fewer answers stand"),
        pytest.param(worded_rows(grounded=0.5), CHAMPION, "worded/grounded_fraction_lower_bound 0.5 is below 0.6", id="a worse prompt: made up"),
        pytest.param(worded_rows(tokens=700), CHAMPION, "worded/token_count_ratio_upper_bound 1.4 is above 1.25", id="40 % more tokens"),
        pytest.param(worded_rows(tokens=SPLIT), CHAMPION, "worded/token_count_ratio_upper_bound", id="more tokens on half of the questions"),
        pytest.param(worded_rows(cost=0.03), CHAMPION, "worded/cost_usd 0.03 is above 0.02", id="an answer over its budget"),
        pytest.param(worded_rows(seconds=30.0), CHAMPION, "worded/latency_p95_s 30 is above 20", id="too slow"),
        pytest.param(worded_rows(tokens=None), CHAMPION, r"worded/token_count_ratio_upper_bound \(missing\)", id="tokens unknown"),
        pytest.param(worded_rows(tokens=[None] + [500] * (COUNT - 1)), CHAMPION, r"\(missing\)", id="tokens of one answer unknown"),
        pytest.param(worded_rows(), worded_rows(model_id="old", tokens=None), r"\(missing\)", id="tokens of the champion unknown"),
        pytest.param(worded_rows(), worded_rows(model_id="old", tokens=0), r"\(missing\)", id="a champion that took no token"),
        pytest.param(worded_rows(cost=None), CHAMPION, r"worded/cost_usd \(missing\)", id="cost unknown is not nothing"),
        pytest.param(worded_rows(seconds=None), CHAMPION, r"worded/latency_p95_s \(missing\)", id="no model was asked"),
        pytest.param(worded_rows(grounded=None), CHAMPION, r"grounded_fraction_lower_bound \(missing\)", id="nothing could be graded"),
        pytest.param(worded_rows(grounded=float("nan")), CHAMPION, "ValueError inside the gate", id="a grade that is no number"),
        pytest.param(worded_rows().vstack(worded_rows().head(1)), CHAMPION, "more than once", id="a question answered twice"),
        pytest.param(worded_rows(), CHAMPION.vstack(CHAMPION.head(1)), "more than once", id="a question answered twice by the champion"),
        pytest.param(worded_rows().drop("is_worded"), CHAMPION, "ColumnNotFoundError inside the gate", id="a column is missing"),
    ],
)
def test_words_block(challenger, champion, reason):
    decision = judge(challenger, champion)
    assert (decision.gate, decision.passed) == (GATE, False)
    assert pl.Series([decision.reason]).str.contains(reason).item(), decision.reason
    assert not are_words_missing([decision])


@pytest.mark.parametrize(
    ("challenger", "champion", "reason"),
    [
        pytest.param(worded_rows().clear(), CHAMPION, "0 questions answered in a model's words by both", id="no rows of the challenger"),
        pytest.param(worded_rows(), CHAMPION.clear(), "0 questions", id="no rows of the champion"),
        pytest.param(worded_rows(count=49), CHAMPION, "49 questions", id="too few"),
        pytest.param(worded_rows(answered=False), CHAMPION, "0 questions", id="the challenger declines everything"),
        pytest.param(worded_rows(), CHAMPION.with_columns(question_id="x" + pl.col("question_id")), "0 questions", id="other questions"),
    ],
)
def test_without_enough_answers_it_blocks_and_says_nothing_about_the_version(challenger, champion, reason):
    decision = judge(challenger, champion)
    assert (decision.gate, decision.passed) == (WORDED_QUESTIONS, False)
    assert reason in decision.reason
    assert are_words_missing([passed("compliance", "fine"), decision])
    # A version that breaks another gate is turned away, whatever words it would have found.
    assert not are_words_missing([blocked("compliance", "no card"), decision])


@pytest.mark.parametrize("floor", [None, float("nan"), float("inf")])
def test_a_policy_that_does_not_say_how_many_answers_make_a_figure_blocks(floor):
    floors = {name: bar for name, bar in BARS.floors.items() if name != "worded/question_count"}
    policy = replace(BARS, floors=floors if floor is None else floors | {"worded/question_count": floor})
    assert judge(worded_rows(), policy=policy).gate == WORDED_QUESTIONS


@pytest.mark.parametrize("bars", [{"floors": {"worded/applause": 1.0}}, {"ceilings": {"worded/token_count": float("nan")}}])
def test_a_bar_that_cannot_be_kept_blocks(bars):
    policy = replace(BARS, floors={"worded/question_count": 50} | bars.get("floors", {}), ceilings=bars.get("ceilings", {}))
    decision = judge(worded_rows(), policy=policy)
    assert (decision.gate, decision.passed) == (GATE, False)


def test_beside_a_champion_that_words_nothing_only_what_is_its_own_is_judged():
    assert judge(worded_rows(tokens=9_000), None).passed
    assert not judge(worded_rows(cost=0.03), None).passed
    assert judge(worded_rows().clear(), None).gate == WORDED_QUESTIONS


@pytest.mark.parametrize(
    ("challenger", "reason"),
    [
        # Two of sixty where nine stood: hardly 0.2 less, and nothing that anybody would wait for.
        pytest.param(worded_rows(worded=[True] * 2 + [False] * 58), "worded/worded_fraction 0.03333 is below 0.05", id="hardly an answer stands"),
        pytest.param(worded_rows(worded=[True] * 9 + [False] * 51, cost=0.03), "worded/cost_usd 0.03 is above 0.01", id="a model over the budget"),
        pytest.param(worded_rows(worded=[True] * 9 + [False] * 51, cost=None), r"worded/cost_usd (missing)", id="a model without prices"),
    ],
)
def test_the_assistant_of_this_repository_turns_away_words_that_are_worth_less_than_they_cost(challenger, reason):
    champion = worded_rows(model_id="old", worded=[True] * 9 + [False] * 51, cost=0.0)
    decision = judge(challenger, champion, policy=use_cases.load("docs_assistant").policy)
    assert (decision.gate, decision.passed) == (GATE, False)
    assert reason in decision.reason
    assert judge(worded_rows(worded=[True] * 8 + [False] * 52, cost=0.009), champion, policy=use_cases.load("docs_assistant").policy).passed
