"""The recorded versions of an index, and each of them opened for searches: made again from gold wherever an index was lost.

Apart from `indexing`, because a server that searches an index needs nothing that makes chunks.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from headrace.errors import ModelError
from headrace.lake import tables
from headrace.llm import vector_index
from headrace.llm.corpus import read_current_versions, read_places, read_repeats
from headrace.llm.crowding import add_crowding
from headrace.llm.embedding import build_version
from headrace.llm.surroundings import mix_surroundings
from headrace.llm.vector_index import VectorIndex, build_digest
from headrace.settings import Settings
from headrace.use_case import UseCase

TABLE = "metrics.index_versions"

# What of a chunk is embedded: its text. The index adds a share of what stands around a short one, and takes one off what is near to much else.
# Headings are for full-text search. On the whole documentation of Python (174 questions) text alone gave an nDCG@10 of 0.713; headings and
# text together 0.648, the mean of both vectors 0.692. Part of it is that each question's own heading is hidden.
EMBEDDED = "text+surroundings-crowding"


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


def name_embedding() -> str:
    """What makes the embeddings of an index now: the embedder's version, and what of a chunk it is given."""
    return f"{build_version()}/{EMBEDDED}"


def chunk_table(case: UseCase) -> str:
    """Name of the gold table of a use case's chunks."""
    return case.table("gold", case.chain_spec.chunks)


def publish_index(settings: Settings, case: UseCase, version: IndexVersion) -> None:
    """Bring the index to a version, from gold; where it is there, nothing is done.

    Raises:
        ModelError: Gold no longer gives what the version was recorded with.
    """
    folder = index_folder(settings, case)
    if version.name in vector_index.list_versions(folder):
        return
    rows = read_members(settings, case, as_of=version.as_of, gold_version=version.gold_version, embedder=version.embedder)
    if build_digest(rows) != version.content_digest:
        raise ModelError(
            f"{chunk_table(case)} at version {version.gold_version} does not give the {version.chunk_count} chunks that index version "
            f"{version.name} was recorded with; see what changed in it (make tables), or build a version of today with make index"
        )
    vector_index.publish(folder, place_chunks(rows), version=version.name)


def place_chunks(rows: pl.DataFrame) -> pl.DataFrame:
    """The members of a version with the embeddings by which the index finds them: what stands around, and how crowded it is, counted in."""
    return add_crowding(mix_surroundings(rows))


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


def read_members(settings: Settings, case: UseCase, *, as_of: datetime, gold_version: int, embedder: str) -> pl.DataFrame:
    """The chunks of a version of gold that are in the corpus at an instant, by one embedder, each with the place and length of its section."""
    is_wanted = (pl.col("embedder") == embedder) & (pl.col("_as_of") <= as_of)
    gold = tables.read(settings, chunk_table(case), version=gold_version).filter(is_wanted).collect()
    current = gold.join(read_current_versions(settings, case, as_of), on=["document_id", "content_hash"], how="semi")
    kept = current.join(read_repeats(settings, case, as_of), on=["section_id", "content_hash"], how="anti")
    return kept.join(read_places(settings, case), on=["section_id", "content_hash"], how="inner").sort("chunk_id")
