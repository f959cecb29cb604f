"""A use case of a few small documents, and embeddings that need no model: the silver tables of tests of the index."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import polars as pl

from headrace.lake import tables
from headrace.llm.embedding import DIMENSION
from headrace.settings import Settings

INSTANT = pl.Datetime("us", "UTC")


class SmallCase:
    """What the index asks of a use case."""

    name = "docs_assistant"
    chain_spec = SimpleNamespace(chunks="chunks")

    def table(self, layer: str, noun: str) -> str:
        return f"{layer}.{self.name}_{noun}"

    def silver_table(self, feed: str) -> str:
        return self.table("silver", {"documents": "sections"}.get(feed, feed))


CASE = SmallCase()


def at(day: int) -> datetime:
    return datetime(2023, 3, day, tzinfo=UTC)


def embed(texts: Sequence[str]) -> np.ndarray:
    """A direction per word, summed: texts with the same words are near each other."""
    vectors = np.full((len(texts), DIMENSION), 1e-3, np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            vectors[row, int(hashlib.sha256(word.encode()).hexdigest()[:8], 16) % DIMENSION] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def deliver(settings: Settings, day: int, documents: Mapping[str, str | None]) -> None:
    """What refine would have left of documents that are new, changed or (None) deleted on a day; a paragraph is a section."""
    hashes = {name: None if text is None else hashlib.sha256(text.encode()).hexdigest() for name, text in documents.items()}
    versions = [
        {"document_id": name, "content_hash": digest, "is_deleted": digest is None, "media_type": "text/plain", "licence": "MIT", "byte_count": None}
        for name, digest in hashes.items()
    ]
    sections = [
        {"section_id": f"{name}#{place}", "document_id": name, "content_hash": hashes[name], "position": place, "title": f"Part {place}"}
        | {"heading_path": f"{name} > Part {place}", "text": text, "language": "en", "token_count": 1, "tokenizer": "t@0", "masked_count": 0}
        | {"duplicate_of": None}
        for name, whole in documents.items()
        if whole is not None
        for place, text in enumerate(whole.split("\n\n"))
    ]
    seen = tables.read(settings, CASE.silver_table("documents")).select("section_id", "content_hash").collect() if day > 1 else None
    rows = _add_system(pl.DataFrame(sections, schema_overrides={"duplicate_of": pl.String}), day)
    if seen is not None and rows.height:
        rows = rows.join(seen, on=["section_id", "content_hash"], how="anti")
    if rows.height:
        tables.append(settings, CASE.silver_table("documents"), rows, batch_id=f"refine/docs_assistant/sections-{day}/1")
    frame = _add_system(pl.DataFrame(versions, schema_overrides={"content_hash": pl.String, "byte_count": pl.Int64}), day)
    tables.append(settings, CASE.silver_table("document_versions"), frame, batch_id=f"refine/docs_assistant/versions-{day}/1")


def _add_system(rows: pl.DataFrame, day: int) -> pl.DataFrame:
    instant = pl.lit(at(day)).cast(INSTANT)
    return rows.with_columns(known_at=instant, _ingested_at=instant, _source=pl.lit("test"), _batch_id=pl.lit(f"ingest/docs_assistant/{day}/1"))
