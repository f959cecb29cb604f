"""The index that an assistant searches: embeddings, full text and filters in one LanceDB table per use case.

It is a projection of a gold table, with versions: a version is a tag, put last, and who searches opens a tag. So nobody sees an
index that is being changed, a process that is killed in the middle leaves no version, and the next one goes on from what it finds.

Measured on 4,329 sections of Python's documentation: written in 0.2 CPU-seconds, full text indexed in 1.4, so that index is made
anew for each version, and scores are those of an index built at once. A dense search takes 11 CPU-ms and compares with every
embedding: an approximate index would save some of it and lose answers. A text search takes 6. Searches return ids and scores; the text
of what is shown is read by itself, in 3 CPU-ms, since reading that of all 464 that both searches return takes 13.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.errors import ModelError
from headrace.llm.chunking import build_searched_text
from headrace.llm.common_words import COMMON_WORDS
from headrace.locking import hold

if TYPE_CHECKING:
    import lancedb

logger = logging.getLogger(__name__)

# Another name than before embeddings had one number more: a table cannot hold both.
TABLE = "chunks_with_crowding"

# Chunks with the same score are told apart by their id, and more are asked for than wanted, so that where they were cut does not
# depend on the order in which they were written.
_SPARE = 32

# Ids in one deletion: its text is parsed.
_DELETED_AT_ONCE = 500

_KEPT = ("chunk_id", "section_id", "document_id", "content_hash", "ordinal", "title", "heading_path", "text", "text_hash", "embedder")
# What makes a chunk the same in two versions: the same words of the same section, embedded by the same model.
_IDENTITY = ["chunk_id", "text_hash", "embedder"]
_SHOWN = ("chunk_id", "section_id", "document_id", "title", "heading_path", "text")

_ROW_ID = "_rowid"

# What a search says of a chunk: `row_id` is where this version of the index holds it, and means nothing in another.
HIT_SCHEMA: Mapping[str, pl.DataType] = {"chunk_id": pl.String(), "section_id": pl.String(), "row_id": pl.Int64(), "score": pl.Float64()}


@dataclass(frozen=True, kw_only=True)
class VectorIndex:
    """One version of an index, opened for searches; safe to use from several threads, not across a fork.

    Attributes:
        version: Its name.
    """

    version: str
    _table: "lancedb.table.Table"

    @property
    def chunk_count(self) -> int:
        """Chunks in it."""
        return self._table.count_rows()

    def search_dense(self, vector: np.ndarray, k: int, where: str | None = None) -> pl.DataFrame:
        """The chunks whose meaning is nearest.

        Args:
            vector: Embedding of the question, of length one, by the embedder of this index.
            k: Number of chunks, at most.
            where: SQL condition on the columns of chunks; those that do not meet it are left out before the search.

        Returns:
            Rows of `HIT_SCHEMA`, best first; `score` is the cosine, -1 to 1, less what the chunk lacks for its crowding.
        """
        asked = np.append(vector, 1.0).astype(np.float32)
        query = self._table.search(asked, vector_column_name="embedding").distance_type("dot")  # ty: ignore[missing-attribute] - the builder for vectors
        return _collect(query, k, where, distance="_distance", to_score=1.0 - pl.col("_distance"))

    def search_text(self, query: str, k: int, where: str | None = None) -> pl.DataFrame:
        """The chunks that share the question's rare words, by BM25.

        Args:
            query: The question, as it was asked; nothing in it is syntax.
            k: Number of chunks, at most.
            where: As for `search_dense`.

        Returns:
            Rows of `HIT_SCHEMA`, best first; `score` is 0 or more. None where no word of the question is in any chunk.
        """
        from lancedb.query import MatchQuery

        if not query.strip():
            return pl.DataFrame(schema=HIT_SCHEMA)
        found = self._table.search(MatchQuery(query, "searched"), query_type="fts")
        return _collect(found, k, where, distance="_score", to_score=pl.col("_score"))

    def read_chunks(self, row_ids: Sequence[int]) -> list[dict[str, str]]:
        """What chunks say: ids, titles and text, in the order of their `row_id`."""
        if not row_ids:
            return []
        found = self._table.take_row_ids(list(row_ids)).select([*_SHOWN]).with_row_id().to_arrow().to_pylist()
        chunks = {chunk.pop(_ROW_ID): chunk for chunk in found}
        return [chunks[row_id] for row_id in row_ids]

    def read_digest(self) -> str:
        """The digest of its content, as `build_digest` has it."""
        return build_digest(_read(self._table, *_IDENTITY))


def publish(folder: Path, rows: pl.DataFrame, *, version: str) -> None:
    """Bring the index to hold exactly these chunks, and name that version; where it has the version, nothing is done.

    Chunks that are no longer wanted are deleted, new ones and those of another embedding added, whatever the state in which another process
    left it. One process at a time works on an index; others wait.

    Args:
        folder: Of the index.
        rows: Chunks: columns of the gold table, each embedding with one number more at its end, which every score adds.
        version: Name of the version: letters, digits, `.`, `-` and `_`.
    """
    with hold(folder / ".lock"):
        table = _open_or_create(folder, len(rows["embedding"][0]) if rows.height else 1)
        if version in table.tags.list():
            return
        held = _read(table, *_IDENTITY, "embedding")
        # An embedding has a share of its neighbours', so that of a chunk that stays moves when the one beside it comes or goes, or one near it.
        same = rows.join(held, on=_IDENTITY, suffix="_held").filter(pl.col("embedding") == pl.col("embedding_held"))
        gone = held.join(same, on="chunk_id", how="anti")["chunk_id"].to_list()
        new = rows.join(same, on="chunk_id", how="anti").sort("chunk_id")
        for first in range(0, len(gone), _DELETED_AT_ONCE):
            table.delete(f"chunk_id IN ({', '.join(map(_quote, gone[first : first + _DELETED_AT_ONCE]))})")
        if new.height:
            table.add(_build_arrow(new))
        # Made anew: parts added one by one would score by the statistics of each.
        table.create_index("searched", config=_describe_words(), replace=True)
        table.tags.create(version, table.version)
        logger.info("published index=%s version=%s chunks=%d added=%d deleted=%d", folder.name, version, rows.height, new.height, len(gone))


def _describe_words() -> "lancedb.index.FTS":
    """How texts and questions become words: stemmed, and without those that every text has."""
    from lancedb.index import FTS

    return FTS(with_position=False, stem=True, remove_stop_words=True, custom_stop_words=sorted(COMMON_WORDS), ascii_folding=True)


def list_versions(folder: Path) -> list[str]:
    """Names of the versions that an index has, sorted; none where there is no index."""
    return sorted(_open(folder).tags.list()) if _is_there(folder) else []


def open_version(folder: Path, version: str) -> VectorIndex:
    """Open one version for searches.

    Raises:
        ModelError: The index has no such version.
    """
    if version not in list_versions(folder):
        raise ModelError(f"the index in {folder} has no version {version}; run make index, which makes it from its gold table")
    table = _open(folder)
    table.checkout(version)
    return VectorIndex(version=version, _table=table)


def build_digest(rows: pl.DataFrame) -> str:
    """A hash of what an index holds: the sha256 over ids, texts and embedder of its chunks, whatever their order."""
    lines = "".join("\t".join(row) + "\n" for row in rows.select(_IDENTITY).sort(_IDENTITY).iter_rows())
    return hashlib.sha256(lines.encode()).hexdigest()


def _is_there(folder: Path) -> bool:
    return any((folder / f"{TABLE}.lance" / "_versions").glob("*.manifest"))


def _open(folder: Path) -> "lancedb.table.Table":
    import lancedb

    return lancedb.connect(str(folder)).open_table(TABLE)


def _open_or_create(folder: Path, dimension: int) -> "lancedb.table.Table":
    import lancedb

    schema = pa.schema([*_plain_fields(), pa.field("searched", pa.string()), pa.field("embedding", pa.list_(pa.float32(), dimension))])
    return lancedb.connect(str(folder)).create_table(TABLE, schema=schema, exist_ok=True)


def _plain_fields() -> list[pa.Field]:
    return [pa.field(name, pa.int64() if name == "ordinal" else pa.string()) for name in _KEPT]


def _build_arrow(rows: pl.DataFrame) -> pa.Table:
    vectors = np.array(rows["embedding"].to_list(), dtype=np.float32)
    searched = [build_searched_text(path, text) for path, text in rows.select("heading_path", "text").iter_rows()]
    columns = {field.name: pa.array(rows[field.name].to_list(), field.type) for field in _plain_fields()}
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])
    return pa.table(columns | {"searched": pa.array(searched, pa.string()), "embedding": embedding})


def _read(table: "lancedb.table.Table", *columns: str) -> pl.DataFrame:
    """Some columns of all chunks, with embeddings as rows of gold have them."""
    held = table.search().select([*columns]).limit(table.count_rows()).to_arrow()
    return pl.DataFrame(held).cast({pl.Array: pl.List(pl.Float32)})


def _collect(query: Any, k: int, where: str | None, *, distance: str, to_score: pl.Expr) -> pl.DataFrame:
    """The best `k` rows of a query, ties in the order of their ids."""
    filtered = query.where(where, prefilter=True) if where else query
    found = filtered.limit(k + _SPARE).select(["chunk_id", "section_id", distance]).with_row_id(True).to_arrow()
    rows = pl.DataFrame(found.to_pydict(), schema_overrides={**HIT_SCHEMA, _ROW_ID: pl.Int64(), distance: pl.Float64()})
    scored = rows.with_columns(to_score.alias("score"), pl.col(_ROW_ID).alias("row_id"))
    return scored.select(list(HIT_SCHEMA)).sort("score", "chunk_id", descending=[True, False]).head(k)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def build_condition(column: str, values: Sequence[str]) -> str:
    """An SQL condition for `where`: the column has one of these values, whatever characters they hold."""
    return f"{column} IN ({', '.join(map(_quote, values))})" if values else "false"
