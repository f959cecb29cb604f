"""What is near to much else lacks something; what is alone, nothing."""

import numpy as np
import polars as pl
import pytest

from headrace.llm import crowding
from headrace.llm.crowding import NEIGHBOURS, SHARE, add_crowding, measure_crowding


def draw_vectors(count: int) -> np.ndarray:
    drawn = np.random.default_rng(2013).normal(size=(count, 8)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_crowding_is_the_mean_cosine_with_the_nearest_others():
    vectors = draw_vectors(20)
    cosines = vectors @ vectors.T
    expected = [np.sort(np.delete(cosines[place], place))[-NEIGHBOURS:].mean() for place in range(20)]
    assert measure_crowding(vectors) == pytest.approx(np.array(expected), abs=1e-6)


def test_parts_make_no_difference(monkeypatch):
    vectors = draw_vectors(23)
    whole = measure_crowding(vectors)
    monkeypatch.setattr(crowding, "_AT_ONCE", 7)
    assert measure_crowding(vectors) == pytest.approx(whole, abs=1e-6)


def test_fewer_chunks_than_neighbours_are_compared_with_those_that_are_there():
    assert measure_crowding(np.array([[1, 0], [0.6, 0.8]], np.float32)) == pytest.approx(np.array([0.6, 0.6]))


def test_a_chunk_that_is_alone_lacks_nothing():
    assert add_crowding(pl.DataFrame({"embedding": [[1.0, 0.0]]}))["embedding"].to_list() == [[1.0, 0.0, 0.0]]


def test_what_a_score_lacks_is_the_last_number_and_the_order_of_rows_stays():
    rows = pl.DataFrame({"chunk_id": ["b", "a"], "embedding": [[1.0, 0.0], [0.6, 0.8]]})
    found = add_crowding(rows)
    assert found["chunk_id"].to_list() == ["b", "a"]
    assert np.array(found["embedding"].to_list()) == pytest.approx(np.array([[1, 0, -SHARE * 0.6], [0.6, 0.8, -SHARE * 0.6]]), abs=1e-4)


def test_of_two_chunks_as_near_to_a_question_the_one_apart_comes_first():
    crowd = [[0.8, 0.6, 0.0], [0.8, 0.59, 0.1], [0.8, 0.61, 0.1]]
    vectors = np.array([*crowd, [0.8, -0.6, 0.0]], np.float32)
    placed = np.array(add_crowding(pl.DataFrame({"embedding": vectors.tolist()}))["embedding"].to_list())
    scores = placed @ np.array([1.0, 0.0, 0.0, 1.0])
    assert scores.argmax() == 3


def test_no_chunk_is_no_chunk():
    assert add_crowding(pl.DataFrame({"embedding": [[1.0]]}).clear()).is_empty()
