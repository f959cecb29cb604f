from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.chunking import CHUNK_TOKENS, SCHEMA, build_chunks, split_text
from headrace.llm.tokenizing import load_tokenizer
from tests.llm.small_documents import at
from tests.llm.test_tokenizing import write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"))


def section(text, **changes):
    row = {"section_id": "a.md#1", "document_id": "a.md", "content_hash": "c" * 64, "title": "Lists", "heading_path": "A > Lists", "text": text}
    return row | {"known_at": at(1)} | changes


def test_a_section_is_one_chunk_and_a_long_one_is_cut_between_paragraphs(tokenizer):
    half = "a " * (CHUNK_TOKENS // 2 + 1)
    chunks = build_chunks(pl.DataFrame([section("a list"), section(f"{half}\n\n{half}", section_id="a.md#2")]), tokenizer)
    assert chunks.schema == pl.Schema(SCHEMA)
    assert chunks["chunk_id"].to_list() == ["a.md#1@cccccccccccc/0", "a.md#2@cccccccccccc/0", "a.md#2@cccccccccccc/1"]
    assert [text.strip() for text in chunks["text"]] == ["a list", half.strip(), half.strip()]


def test_a_hash_is_of_what_is_embedded(tokenizer):
    rows = [section("a list"), section("a list", section_id="a.md#2"), section("a list", heading_path="B"), section("a")]
    hashes = build_chunks(pl.DataFrame(rows), tokenizer)["text_hash"].to_list()
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_no_section_has_no_chunk(tokenizer):
    assert build_chunks(pl.DataFrame([section("a")]).clear(), tokenizer).is_empty()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 6))
def test_parts_hold_all_words_in_order_within_the_limit(tokenizer, lengths, limit):
    text = "\n\n".join(" ".join(["list"] * length) for length in lengths)
    parts = split_text(text, tokenizer, limit=limit)
    assert sum(len(part.split()) for part in parts) == sum(lengths)
    assert all(0 < count <= limit for count in tokenizer.count(parts))
    # No two neighbours would fit into one part.
    assert all(sum(tokenizer.count(list(pair))) > limit or max(lengths) > limit for pair in pairwise(parts))
