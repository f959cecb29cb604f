"""A short section is where its neighbours are; a long one, and a document of one section, stay what they say."""

import numpy as np
import polars as pl
import pytest

from headrace.llm.surroundings import mix_surroundings

X, Y, Z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


def build_rows(*rows: tuple[str, int, int, int, list[float]]) -> pl.DataFrame:
    names = ["document_id", "position", "ordinal", "token_count", "embedding"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(content_hash=pl.lit("1"))


def read_vectors(rows: pl.DataFrame) -> np.ndarray:
    return np.array(mix_surroundings(rows)["embedding"].to_list())


def test_vectors_are_those_computed_by_hand():
    found = read_vectors(build_rows(("a", 0, 0, 32, X), ("a", 1, 0, 96, Y), ("a", 2, 0, 32, Z)))
    # Shares: a half for 32 tokens, a quarter for 96, of the mean of those beside it.
    expected = np.array([[1, 0.5, 0], [0.125, 1, 0.125], [0, 0.5, 1]])
    assert found == pytest.approx(expected / np.linalg.norm(expected, axis=1, keepdims=True), abs=1e-6)


def test_another_document_is_no_neighbour():
    assert read_vectors(build_rows(("a", 0, 0, 1, X), ("b", 0, 0, 1, Y))) == pytest.approx(np.array([X, Y]))


def test_neighbours_are_those_of_the_document_whatever_the_order_of_rows():
    rows = build_rows(("a", 0, 0, 8, X), ("a", 1, 0, 8, Y), ("a", 1, 1, 8, Z), ("b", 0, 0, 8, Y))
    shuffled = rows[[2, 3, 0, 1]]
    assert read_vectors(shuffled) == pytest.approx(read_vectors(rows)[[2, 3, 0, 1]])


def test_the_longer_a_section_the_more_it_stays_itself():
    own = [read_vectors(build_rows(("a", 0, 0, tokens, X), ("a", 1, 0, 8, Y)))[0][0] for tokens in (1, 30, 300, 3000)]
    assert own == sorted(own)
    assert own[-1] > 0.999


def test_no_chunk_is_no_chunk():
    assert mix_surroundings(build_rows(("a", 0, 0, 1, X)).clear()).is_empty()
