"""Figures of a ranking are those that a person computes by hand, and those of scikit-learn."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from headrace.llm.ranking_metrics import RECIPROCAL_RANK, measure_rankings, rank_sections

TRUTH = pl.DataFrame({"question_id": ["a", "b", "b"], "section_id": ["s1", "s2", "s3"]})


def rank(**sections: str) -> pl.DataFrame:
    rows = [(question, section, place) for question, names in sections.items() for place, section in enumerate(names.split(), 1)]
    return pl.DataFrame(rows, schema=["question_id", "section_id", "rank"], orient="row")


def measure(ranked: pl.DataFrame, truth: pl.DataFrame = TRUTH) -> dict[tuple[str, str], float]:
    rows = measure_rankings(ranked, truth, recall_cutoffs=(1, 3), ndcg_cutoffs=(3,))
    return {(question, metric): value for question, metric, value in rows.iter_rows()}


def test_figures_are_those_computed_by_hand():
    found = measure(rank(a="s9 s1 s8", b="s3 s9 s8 s2"))
    assert found["a", "recall_at_1_fraction"] == 0
    assert found["a", "recall_at_3_fraction"] == 1
    assert found["a", RECIPROCAL_RANK] == 0.5
    assert found["a", "ndcg_at_3"] == pytest.approx(1 / math.log2(3))
    assert found["b", "recall_at_1_fraction"] == 0.5
    assert found["b", "recall_at_3_fraction"] == 0.5
    assert found["b", RECIPROCAL_RANK] == 1
    assert found["b", "ndcg_at_3"] == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_a_question_for_which_nothing_was_found_counts_as_nothing():
    found = measure(rank(b="s2 s3"))
    assert {value for (question, _), value in found.items() if question == "a"} == {0.0}
    assert {value for (question, metric), value in found.items() if question == "b" and metric != "recall_at_1_fraction"} == {1.0}


def test_a_question_without_a_truth_is_not_measured():
    found = measure(rank(a="s1", b="s2", c="s3"))
    assert {question for question, _ in found} == {"a", "b"}


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_ndcg_equals_that_of_scikit_learn(data):
    size = data.draw(st.integers(2, 12))
    relevant = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size))
    scores = np.asarray(data.draw(st.permutations(range(size))), dtype=float)
    cutoff = data.draw(st.integers(1, size + 2))
    order = np.argsort(-scores)
    ranked = pl.DataFrame({"question_id": "q", "section_id": [f"s{i}" for i in order], "rank": range(1, size + 1)})
    truth = pl.DataFrame({"question_id": "q", "section_id": [f"s{i}" for i in sorted(relevant)]})
    measured = measure_rankings(ranked, truth, recall_cutoffs=(), ndcg_cutoffs=(cutoff,)).filter(pl.col("metric") == f"ndcg_at_{cutoff}")
    expected = ndcg_score([[float(i in relevant) for i in range(size)]], [scores], k=cutoff)
    assert measured["value"][0] == pytest.approx(expected)


def test_a_section_is_ranked_by_its_best_chunk_and_equal_ones_by_name():
    scored = pl.DataFrame({"question_id": "q", "section_id": ["s2", "s1", "s2", "s3"], "score": [0.1, 0.5, 0.9, 0.5]})
    assert rank_sections(scored)["section_id"].to_list() == ["s2", "s1", "s3"]
    assert rank_sections(scored)["rank"].to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    ("ranked", "truth", "complaint"),
    [
        (rank(a="s1 s1"), TRUTH, "section of a question twice"),
        (pl.DataFrame({"question_id": "a", "section_id": ["s1", "s2"], "rank": [1, 1]}), TRUTH, "rank of a question twice"),
        (pl.DataFrame({"question_id": "a", "section_id": ["s1"], "rank": [0]}), TRUTH, "rank below 1"),
        (rank(a="s1"), pl.concat([TRUTH, TRUTH]), "truth names a section"),
    ],
)
def test_a_ranking_that_counts_something_twice_is_refused(ranked, truth, complaint):
    with pytest.raises(ValueError, match=complaint):
        measure_rankings(ranked, truth)
