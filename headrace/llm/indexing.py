"""Silver sections to gold chunks with embeddings, and gold to the index: as of an instant, once, and again wherever an index was lost."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
from headrace.llm import vector_index
from headrace.llm.chunking import build_chunks, build_searched_text
from headrace.llm.corpus import read_current_versions, read_sections
from headrace.llm.embedding import DIMENSION, build_version, load_embedder
from headrace.llm.tokenizing import load_default
from headrace.llm.vector_index import VectorIndex, build_digest
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

TABLE = "metrics.index_versions"
FLOW = "llm_index"
CORPUS_GATE = "corpus"

# Texts to float32 of shape (texts, 384).
Embed = Callable[[Sequence[str]], np.ndarray]

_KEY = ["section_id", "content_hash"]


@dataclass(frozen=True, kw_only=True)
class IndexVersion:
    """One version of an index, as its row has it.

    Attributes:
        name: Its name, that of the tag in the index.
        as_of: Instant (UTC) of the corpus in it.
        gold_version: Delta version of the gold table that it stands for.
        embedder: What made its embeddings; a question has to be embedded by the same.
        chunk_count: Chunks in it.
        content_digest: The sha256 of what it holds: a chain that pins it finds the same after a rebuild.
    """

    name: str
    as_of: datetime
    gold_version: int
    embedder: str
    chunk_count: int
    content_digest: str


def chunk_table(case: UseCase) -> str:
    """Name of the gold table of a use case's chunks."""
    return case.table("gold", case.chain_spec.chunks)


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
        rows = _build_rows(settings, table, sections, as_of=as_of, embed=embed)
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
    rows = _read_members(settings, case, as_of=as_of, gold_version=gold_version, embedder=build_version())
    before = _read_before(settings, case, as_of=as_of)
    version = IndexVersion(
        name=f"{as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}.gold-{gold_version}",
        as_of=as_of,
        gold_version=gold_version,
        embedder=build_version(),
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


def publish_index(settings: Settings, case: UseCase, version: IndexVersion) -> None:
    """Bring the index to a version, from gold; where it is there, nothing is done.

    Raises:
        ModelError: Gold no longer gives what the version was recorded with.
    """
    folder = index_folder(settings, case)
    if version.name in vector_index.list_versions(folder):
        return
    rows = _read_members(settings, case, as_of=version.as_of, gold_version=version.gold_version, embedder=version.embedder)
    if build_digest(rows) != version.content_digest:
        raise ModelError(
            f"{chunk_table(case)} at version {version.gold_version} does not give the {version.chunk_count} chunks that index version "
            f"{version.name} was recorded with; see what changed in it (make tables), or build a version of today with make index"
        )
    vector_index.publish(folder, rows, version=version.name)


def read_versions(settings: Settings, case: UseCase) -> list[IndexVersion]:
    """All recorded versions of a use case's index, oldest first."""
    rows = tables.read(settings, TABLE).filter(pl.col("use_case") == case.name).sort("as_of", "gold_version").collect()
    return [
        IndexVersion(
            name=row["index_version"],
            as_of=row["as_of"],
            gold_version=row["gold_version"],
            embedder=row["embedder"],
            chunk_count=row["chunk_count"],
            content_digest=row["content_digest"],
        )
        for row in rows.iter_rows(named=True)
    ]


def find_version(settings: Settings, case: UseCase, name: str | None = None) -> IndexVersion:
    """A recorded version by its name; left out, the newest.

    Raises:
        ModelError: There is none.
    """
    known = read_versions(settings, case)
    found = [version for version in known if name in (None, version.name)]
    if not found:
        wanted = f"no version {name} of its index" if name else "no index yet"
        raise ModelError(f"{case.name} has {wanted}; recorded: {', '.join(version.name for version in known) or 'none'}. Run make index")
    return found[-1]


def open_index(settings: Settings, case: UseCase, name: str | None = None) -> VectorIndex:
    """Open a recorded version of the index, rebuilt from gold where it was lost.

    Args:
        settings: The environment.
        case: The use case.
        name: Of the version; left out, the newest.

    Raises:
        ModelError: No such version is recorded.
    """
    version = find_version(settings, case, name)
    publish_index(settings, case, version)
    return vector_index.open_version(index_folder(settings, case), version.name)


def index_folder(settings: Settings, case: UseCase) -> Path:
    """Where the index of a use case lies; of one that this environment only looks at, beside its own."""
    beside = [f"of_{settings.looks_at}"] if settings.looks_at else []
    return settings.find_folder(*beside, "index", case.name)


def _build_rows(settings: Settings, table: str, sections: pl.DataFrame, *, as_of: datetime, embed: Embed | None) -> pl.DataFrame:
    """Chunks of the sections that no earlier slice has chunks of, with embeddings."""
    embedder = build_version()
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
    vectors = embed([build_searched_text(path, text) for path, text in new.select("heading_path", "text").iter_rows()])
    logger.info("embedded texts=%d reused=%d", new.height, known.height)
    embedding = pl.Series("embedding", vectors, dtype=pl.Array(pl.Float32, DIMENSION)).cast(pl.List(pl.Float32))
    return pl.concat([known, new.select("text_hash").with_columns(embedding)])


def _read_members(settings: Settings, case: UseCase, *, as_of: datetime, gold_version: int, embedder: str) -> pl.DataFrame:
    """The chunks of a version of gold that are in the corpus at an instant, by one embedder."""
    is_wanted = (pl.col("embedder") == embedder) & (pl.col("_as_of") <= as_of)
    gold = tables.read(settings, chunk_table(case), version=gold_version).filter(is_wanted).collect()
    current = read_current_versions(settings, case, as_of)
    return gold.join(current, on=["document_id", "content_hash"], how="semi").sort("chunk_id")


def _read_before(settings: Settings, case: UseCase, *, as_of: datetime) -> pl.DataFrame:
    """Ids of the chunks in the version before an instant."""
    before = [version for version in read_versions(settings, case) if version.as_of < as_of]
    if not before:
        return pl.DataFrame(schema={"chunk_id": pl.String, "embedder": pl.String})
    newest = before[-1]
    rows = _read_members(settings, case, as_of=newest.as_of, gold_version=newest.gold_version, embedder=newest.embedder)
    return rows.select("chunk_id", "embedder")


def _find_gold_version(settings: Settings, case: UseCase, batch_id: str) -> int:
    """The Delta version that a slice made, whatever was written since."""
    history = tables.read_history(settings, chunk_table(case)).filter(pl.col("batch_id") == batch_id)
    if history.is_empty():
        raise ModelError(f"{chunk_table(case)} holds no batch {batch_id}; run make index of that instant")
    # Newest first.
    return history["version"][0]
