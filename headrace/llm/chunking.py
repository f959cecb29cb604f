"""Sections to chunks: what is searched and embedded as one.

A section is one chunk, unless it is longer than 1,024 tokens: then it is cut between paragraphs. What is embedded are its first
128 tokens (see `index_versions`); full text search sees all of it, and the path of its headings.

Measured on 173 questions of Python's FAQ and 1,003 sections, the question's own heading removed: with the first 64 tokens nDCG@10
was 0.731, with 128 0.783, with 256 0.781; with chunks of 128 tokens, up to 2, 3 and 4 of a section, 0.777, 0.779 and 0.773. So
neither more tokens nor more chunks pay, at two to three times the price, and no overlap is needed. (Headings were embedded then, too.)
"""

import hashlib
from collections.abc import Iterator, Mapping

import polars as pl

from headrace.llm.tokenizing import Tokenizer

CHUNK_TOKENS = 1024

SCHEMA: Mapping[str, pl.DataType] = {
    "chunk_id": pl.String(),
    "section_id": pl.String(),
    "document_id": pl.String(),
    "content_hash": pl.String(),
    "ordinal": pl.Int64(),
    "title": pl.String(),
    "heading_path": pl.String(),
    "text": pl.String(),
    "text_hash": pl.String(),
    "known_at": pl.Datetime("us", "UTC"),
}

_HASH_DIGITS = 12


def build_chunks(sections: pl.DataFrame, tokenizer: Tokenizer) -> pl.DataFrame:
    """Chunks of sections, in their order.

    Args:
        sections: Rows of the silver table of sections.
        tokenizer: Counts what a chunk may hold.

    Returns:
        Rows of `SCHEMA`, one or more per section. A chunk's id is made of its section, the version of its document and its place, so
        that the same section of the same version has the same chunks whenever they are made.
    """
    counts = tokenizer.count(sections["text"].to_list())
    rows = [
        _build_row(section, ordinal, text)
        for section, count in zip(sections.iter_rows(named=True), counts, strict=True)
        for ordinal, text in enumerate(split_text(section["text"], tokenizer) if count > CHUNK_TOKENS else [section["text"]])
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def build_searched_text(heading_path: str, text: str) -> str:
    """What is searched of a chunk by its words: where it stands, and what it says."""
    return f"{heading_path}\n{text}"


def split_text(text: str, tokenizer: Tokenizer, *, limit: int = CHUNK_TOKENS) -> list[str]:
    """A long text as parts of at most `limit` tokens, cut between paragraphs; a paragraph that is longer is cut between tokens."""
    paragraphs = [piece for paragraph in text.split("\n\n") if paragraph.strip() for piece in _cut(paragraph, tokenizer, limit)]
    parts: list[list[str]] = [[]]
    held = 0
    for paragraph, count in zip(paragraphs, tokenizer.count(paragraphs), strict=True):
        if parts[-1] and held + count > limit:
            parts.append([])
            held = 0
        parts[-1].append(paragraph)
        held += count
    return ["\n\n".join(part) for part in parts if part]


def _cut(paragraph: str, tokenizer: Tokenizer, limit: int) -> Iterator[str]:
    pieces = tokenizer.cut(paragraph, limit)
    return iter(pieces if len(pieces) > 1 else [paragraph])


def _build_row(section: Mapping[str, object], ordinal: int, text: str) -> dict[str, object]:
    kept = {name: section[name] for name in ("section_id", "document_id", "content_hash", "title", "heading_path", "known_at")}
    digest = hashlib.sha256(build_searched_text(str(section["heading_path"]), text).encode()).hexdigest()
    chunk_id = f"{section['section_id']}@{str(section['content_hash'])[:_HASH_DIGITS]}/{ordinal}"
    return kept | {"chunk_id": chunk_id, "ordinal": ordinal, "text": text, "text_hash": digest}
