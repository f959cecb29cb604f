"""Fusion puts two legs on one scale, and never below the better of them where it is told which that is."""

import polars as pl
import pytest

from headrace.llm.fusion import fuse_ranks, fuse_scores, join_legs

CANDIDATES = pl.DataFrame(
    {
        "question_id": ["q", "q", "q", "r"],
        "section_id": ["a", "b", "c", "a"],
        "dense": [0.8, 0.5, None, 0.2],
        "bm25": [None, 30.0, 10.0, None],
    },
    schema={"question_id": pl.String, "section_id": pl.String, "dense": pl.Float64, "bm25": pl.Float64},
)


def test_scores_are_those_computed_by_hand():
    fused = fuse_scores(CANDIDATES, text_weight=0.5, text_saturation=10.0)["score"].to_list()
    # What a leg did not return has that leg's lowest score of the question, or 0 where it returned nothing.
    assert fused == pytest.approx([0.5 * 0.8 + 0.5 * 0.5, 0.5 * 0.5 + 0.5 * 0.75, 0.5 * 0.5 + 0.5 * 0.5, 0.5 * 0.2])


def test_the_ends_of_the_weight_are_the_legs_alone():
    by_dense = fuse_scores(CANDIDATES, text_weight=0.0, text_saturation=10.0).filter(pl.col("question_id") == "q")
    by_text = fuse_scores(CANDIDATES, text_weight=1.0, text_saturation=10.0).filter(pl.col("question_id") == "q")
    assert by_dense.sort("score", descending=True)["section_id"][0] == "a"
    assert by_text.sort("score", descending=True)["section_id"][0] == "b"


def test_ranks_are_those_computed_by_hand():
    fused = fuse_ranks(CANDIDATES, constant=60)["score"].to_list()
    assert fused == pytest.approx([1 / 61, 1 / 62 + 1 / 61, 1 / 62, 1 / 61])


def test_a_section_is_joined_once_with_its_best_chunk_of_each_leg():
    schema = {"question_id": pl.String, "section_id": pl.String, "score": pl.Float64}
    dense = pl.DataFrame([("q", "a", 0.4), ("q", "a", 0.6), ("q", "b", 0.1)], schema=schema, orient="row")
    text = pl.DataFrame([("q", "c", 3.0), ("q", "a", 2.0)], schema=schema, orient="row")
    assert join_legs(dense, text).rows() == [("q", "a", 0.6, 2.0), ("q", "b", 0.1, None), ("q", "c", None, 3.0)]
