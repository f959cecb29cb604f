"""Silver sections to gold chunks with embeddings, and the row that says which version of the index stands for an instant."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from headrace.decisions import Decision, blocked, passed
from headrace.errors import ModelError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.contracts import load_contract
from headrace.lake.quality import judge
from headrace.lake.refinement import record_report
from headrace.lake.runs import Step, build_row
from headrace.llm.chunking import build_chunks
from headrace.llm.corpus import REPEATS, read_sections
from headrace.llm.embedding import DIMENSION, load_embedder
from headrace.llm.index_versions import TABLE, IndexVersion, chunk_table, name_embedding, read_members, read_versions
from headrace.llm.repeats import find_repeats
from headrace.llm.tokenizing import load_default
from headrace.llm.vector_index import build_digest
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)
progress = logging.getLogger("headrace.progress")

FLOW = "llm_index"
CORPUS_GATE = "corpus"

# Texts that are embedded between two lines on the screen, about a minute of a core: a large body of documents takes many of them.
TEXTS_AT_ONCE = 1_000

# Texts to float32 of shape (texts, 384).
Embed = Callable[[Sequence[str]], np.ndarray]

_KEY = ["section_id", "content_hash"]


def decide_corpus(settings: Settings, case: UseCase, *, as_of: datetime) -> Decision:
    """Block where no section is known at an instant (UTC): an index of nothing would answer nothing and look well."""
    # Refuses a use case without chains before anything is read.
    chunk_table(case)
    count = read_sections(settings, case, as_of).height
    if not count:
        known = f"{case.silver_table('documents')} holds no section of a document that is there at {as_of:%Y-%m-%d %H:%M}Z"
        return blocked(CORPUS_GATE, f"{known}; run ingest and refine up to there, and see what refine rejected")
    return passed(CORPUS_GATE, f"{count} sections", {"section_count": float(count)})


def append_chunks(settings: Settings, case: UseCase, *, as_of: datetime, revision: int = 1, embed: Embed | None = None) -> Step:
    """Append the chunks of sections that came into the corpus since the last slice, judged by the contract of their table.

    Which sections repeat another one in this corpus becomes rows too; they have no part in the index.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Instant (UTC) of the corpus.
        revision: Higher to do a slice again.
        embed: Makes embeddings; left out, the model of `headrace.llm.embedding`, which is loaded only where a text is new.
    """
    table = chunk_table(case)
    batch_id = build_batch_id(FLOW, case.name, format_instant(as_of), revision)
    sections = read_sections(settings, case, as_of)
    if tables.is_written(settings, table, batch_id=batch_id):
        # Embedding again what is there would take minutes to find that nothing is new.
        rows = tables.read(settings, table).filter(pl.col("_as_of") == as_of).collect()
    else:
        # Which sections are repeats comes first: what is no member must not become one by a kill in between.
        repeats = find_repeats(sections)
        _replace_repeats(settings, case, repeats, as_of=as_of, batch_id=batch_id)
        kept = sections.join(repeats, on=_KEY, how="anti", maintain_order="left")
        rows = _build_rows(settings, table, kept, as_of=as_of, embed=embed)
    report = judge(rows, load_contract(table))
    if report.decision.passed:
        # A higher revision takes the place of the slice's rows; the first one finds none.
        tables.replace(settings, table, rows, where={"_as_of": as_of}, batch_id=batch_id)
    record_report(settings, case, report, batch_id=batch_id)
    return Step(decision=report.decision, rows_read=sections.height, rows_written=rows.height if report.decision.passed else 0)


def record_version(settings: Settings, case: UseCase, *, as_of: datetime, revision: int = 1) -> IndexVersion:
    """Record which version of the index stands for an instant: its row comes first, the index follows it.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Instant (UTC) of the corpus.
        revision: Of the slice that was appended.
    """
    batch_id = build_batch_id(FLOW, case.name, format_instant(as_of), revision)
    gold_version = _find_gold_version(settings, case, batch_id)
    rows = read_members(settings, case, as_of=as_of, gold_version=gold_version, embedder=name_embedding())
    before = _read_before(settings, case, as_of=as_of)
    version = IndexVersion(
        name=f"{as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}.gold-{gold_version}",
        as_of=as_of,
        gold_version=gold_version,
        embedder=name_embedding(),
        chunk_count=rows.height,
        content_digest=build_digest(rows),
    )
    row = {
        "use_case": case.name,
        "as_of": as_of,
        "index_version": version.name,
        "gold_version": gold_version,
        "embedder": version.embedder,
        "chunk_count": rows.height,
        "added_count": rows.join(before, on=["chunk_id", "embedder"], how="anti").height,
        "deleted_count": before.join(rows, on=["chunk_id", "embedder"], how="anti").height,
        "content_digest": version.content_digest,
        "built_at": datetime.now(UTC),
    }
    tables.append(settings, TABLE, build_row(TABLE, row), batch_id=batch_id)
    return version


def _replace_repeats(settings: Settings, case: UseCase, repeats: pl.DataFrame, *, as_of: datetime, batch_id: str) -> None:
    rows = repeats.with_columns(_as_of=pl.lit(as_of).cast(pl.Datetime("us", "UTC")))
    tables.replace(settings, case.table("gold", REPEATS), rows, where={"_as_of": as_of}, batch_id=batch_id)


def _build_rows(settings: Settings, table: str, sections: pl.DataFrame, *, as_of: datetime, embed: Embed | None) -> pl.DataFrame:
    """Chunks of the sections that no earlier slice has chunks of, with embeddings."""
    embedder = name_embedding()
    earlier = tables.read(settings, table).filter((pl.col("_as_of") < as_of) & (pl.col("embedder") == embedder))
    new = sections.join(earlier.select(_KEY).unique().collect(), on=_KEY, how="anti")
    schema = load_contract(table).schema
    if new.is_empty():
        return pl.DataFrame(schema=schema)
    chunks = build_chunks(new, load_default(settings))
    known = earlier.filter(pl.col("text_hash").is_in(chunks["text_hash"].unique().to_list())).unique("text_hash").select("text_hash", "embedding")
    vectors = _embed(settings, chunks, known.collect(), embed)
    return (
        chunks.join(vectors, on="text_hash", how="left", maintain_order="left")
        .with_columns(embedder=pl.lit(embedder), _as_of=pl.lit(as_of).cast(pl.Datetime("us", "UTC")))
        .select(list(schema))
    )


def _embed(settings: Settings, chunks: pl.DataFrame, known: pl.DataFrame, embed: Embed | None) -> pl.DataFrame:
    """`text_hash` and `embedding` of every text; a text that was embedded before is not embedded again."""
    new = chunks.unique("text_hash", maintain_order=True).join(known, on="text_hash", how="anti", maintain_order="left")
    if new.is_empty():
        return known
    embed = embed or load_embedder(settings).embed
    texts, parts = new["text"].to_list(), []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        parts.append(embed(texts[start : start + TEXTS_AT_ONCE]))
        if len(texts) > TEXTS_AT_ONCE:
            progress.info("%s of %s texts embedded", f"{min(start + TEXTS_AT_ONCE, len(texts)):,}", f"{len(texts):,}")
    vectors = np.concatenate(parts)
    logger.info("embedded texts=%d reused=%d", new.height, known.height)
    embedding = pl.Series("embedding", vectors, dtype=pl.Array(pl.Float32, DIMENSION)).cast(pl.List(pl.Float32))
    return pl.concat([known, new.select("text_hash").with_columns(embedding)])


def _read_before(settings: Settings, case: UseCase, *, as_of: datetime) -> pl.DataFrame:
    """Ids of the chunks in the version before an instant."""
    before = [version for version in read_versions(settings, case) if version.as_of < as_of]
    if not before:
        return pl.DataFrame(schema={"chunk_id": pl.String, "embedder": pl.String})
    newest = before[-1]
    rows = read_members(settings, case, as_of=newest.as_of, gold_version=newest.gold_version, embedder=newest.embedder)
    return rows.select("chunk_id", "embedder")


def _find_gold_version(settings: Settings, case: UseCase, batch_id: str) -> int:
    """The Delta version that a slice made, whatever was written since."""
    history = tables.read_history(settings, chunk_table(case)).filter(pl.col("batch_id") == batch_id)
    if history.is_empty():
        raise ModelError(f"{chunk_table(case)} holds no batch {batch_id}; run make index of that instant")
    # Newest first.
    return history["version"][0]
