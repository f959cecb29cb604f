"""Six chunks of five sections that are searched by a product of vectors and by counted words: an index small enough to follow by hand."""

from collections.abc import Sequence

import numpy as np
import polars as pl

WORDS = ("file", "delete", "open", "thread", "list")

CHUNKS = [
    ("files#1/0", "files#1", "files.rst", "Deleting", "Files > Deleting", "delete a file delete"),
    ("files#1/1", "files#1", "files.rst", "Deleting", "Files > Deleting", "file"),
    ("files#2/0", "files#2", "files.rst", "Opening", "Files > Opening", "open a file"),
    ("threads#1/0", "threads#1", "threads.rst", "Threads", "Threads", "thread"),
    ("lists#1/0", "lists#1", "lists.rst", "Lists", "Lists", "list delete"),
    ("lists#2/0", "lists#2", "lists.rst", "More", "Lists > More", "list list open"),
]


class SmallEmbedder:
    """Counts words, and knows that to erase is to delete: the one thing that meaning knows and words do not."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        counts = np.asarray([[text.replace("erase", "delete").split().count(word) for word in WORDS] for text in texts], dtype=np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


class SmallIndex:
    def __init__(self) -> None:
        names = ["chunk_id", "section_id", "document_id", "title", "heading_path", "text"]
        self.chunks = pl.DataFrame(CHUNKS, schema=names, orient="row")
        self.searched: list[str] = []
        self.read: list[int] = []

    def search_dense(self, vector: np.ndarray, k: int, where: str | None = None) -> pl.DataFrame:
        self.searched.append("dense")
        scores = SmallEmbedder().embed(self.chunks["text"].to_list()) @ vector
        return self._best(scores.tolist(), k, where)

    def search_text(self, query: str, k: int, where: str | None = None) -> pl.DataFrame:
        self.searched.append("bm25")
        asked = set(query.split()) & set(WORDS)
        return self._best([10.0 * len(asked & set(text.split())) for text in self.chunks["text"]], k, where).filter(pl.col("score") > 0)

    def _best(self, scores: list[float], k: int, where: str | None) -> pl.DataFrame:
        found = self.chunks.with_columns(pl.Series("score", scores)).with_row_index("row_id")
        found = found if where is None else pl.SQLContext(found=found).execute(f"SELECT * FROM found WHERE {where}", eager=True)
        return found.sort("score", descending=True, maintain_order=True).head(k).select("chunk_id", "section_id", "row_id", "score")

    def read_chunks(self, row_ids: Sequence[int]) -> Sequence[dict[str, str]]:
        self.read.extend(row_ids)
        return [self.chunks.row(row_id, named=True) for row_id in row_ids]
