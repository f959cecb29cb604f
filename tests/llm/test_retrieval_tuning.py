"""Weights are found on one half of the questions, the same every time, and the other half is never looked at."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.retrieval import rank_candidates
from headrace.llm.retrieval_config import RetrievalConfig
from headrace.llm.retrieval_tuning import collect_candidates, measure_questions, name_half, select_half, tune_fusion
from tests.llm.small_index import SmallEmbedder, SmallIndex

QUESTIONS = pl.DataFrame({"question_id": ["1", "2", "3"], "question": ["delete file", "erase", "open list"]})
TRUTH = pl.DataFrame({"question_id": ["1", "2", "3"], "section_id": ["files#1", "files#1", "lists#2"]})


def collect() -> pl.DataFrame:
    return collect_candidates(SmallIndex(), SmallEmbedder(), QUESTIONS, depth=10).rows


def test_every_question_is_asked_once_of_each_leg_and_timed():
    index = SmallIndex()
    found = collect_candidates(index, SmallEmbedder(), QUESTIONS, depth=10)
    assert index.searched == ["dense", "bm25"] * 3
    assert {step: len(times) for step, times in found.milliseconds.items()} == {"embedding": 3, "dense": 3, "bm25": 3}
    assert found.rows.select("question_id", "section_id").is_duplicated().any() is False


def build_candidates(scores: list[tuple[float, float]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A question per pair: the scores of its true section in both legs, beside a false one with 0.5 and 10."""
    rows = [(f"q{place}", *row) for place, (dense, text) in enumerate(scores) for row in (("true", dense, text), ("false", 0.5, 10.0))]
    schema = {"question_id": pl.String, "section_id": pl.String, "dense": pl.Float64, "bm25": pl.Float64}
    truth = pl.DataFrame({"question_id": [f"q{place}" for place in range(len(scores))], "section_id": "true"})
    return pl.DataFrame(rows, schema=schema, orient="row"), truth


NEAR, FAR = 0.49, 0.3
MORE, LESS = 11.0, 1.0


def test_what_was_tuned_is_never_below_the_better_leg_on_what_it_saw():
    candidates = collect()
    tuned = tune_fusion(candidates, TRUTH, depth=10)
    legs = [measure_questions(rank_candidates(candidates, RetrievalConfig(method=leg)), TRUTH).mean() for leg in ("dense", "bm25")]
    assert measure_questions(rank_candidates(candidates, tuned), TRUTH).mean() >= max(legs)
    assert tune_fusion(candidates, TRUTH, depth=10) == tuned


def test_a_fusion_that_several_questions_gain_by_is_taken():
    tuned = tune_fusion(*build_candidates([(0.9, LESS), (0.9, LESS), (NEAR, MORE), (NEAR, MORE)]), depth=10)
    assert tuned.method == "score_fusion"
    assert 0 < tuned.text_weight < 1


def test_a_fusion_that_one_question_gains_by_is_not_trusted():
    tuned = tune_fusion(*build_candidates([(0.9, LESS), (0.9, LESS), (0.9, LESS), (NEAR, MORE)]), depth=10)
    assert tuned == RetrievalConfig(method="dense", depth=10)


def test_where_meaning_helps_nobody_words_are_taken_alone():
    assert tune_fusion(*build_candidates([(FAR, MORE), (FAR, MORE)]), depth=10) == RetrievalConfig(method="bm25", depth=10)


def test_where_words_help_nobody_they_get_no_weight():
    truth = pl.DataFrame({"question_id": ["2"], "section_id": ["files#1"]})
    assert tune_fusion(collect(), truth, depth=10).legs == ("dense",)


def test_without_truth_nothing_is_tuned():
    assert tune_fusion(collect(), TRUTH.clear(), depth=10) == RetrievalConfig(method="dense", depth=10)


def test_no_question_at_all_has_no_candidates():
    assert collect_candidates(SmallIndex(), SmallEmbedder(), QUESTIONS.clear(), depth=10).rows.is_empty()


@given(st.lists(st.text(min_size=1), unique=True, min_size=1))
def test_a_question_is_in_one_half_whatever_the_others_are(ids):
    rows = pl.DataFrame({"question_id": ids})
    halves = [select_half(rows, half)["question_id"].to_list() for half in ("tune", "holdout")]
    assert sorted([*halves[0], *halves[1]]) == sorted(ids)
    assert all(name_half(question_id) == "tune" for question_id in halves[0])


def test_the_halves_are_about_halves():
    names = [name_half(f"python-{number}") for number in range(1000)]
    assert 450 < names.count("tune") < 550
