"""Find the sections that answer a question, and say why each was found.

Both legs search chunks; a section is as good as its best chunk. What comes back are passages: the best chunk of each section,
word for word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from headrace.llm.fusion import DENSE, TEXT, fuse_ranks, fuse_scores, join_legs
from headrace.llm.ranking_metrics import rank_sections
from headrace.llm.retrieval_config import RetrievalConfig

# What both legs say of a chunk that they return, beside its `score`.
CHUNK_COLUMNS = ("chunk_id", "section_id", "document_id", "title", "heading_path", "text")


class Embeds(Protocol):
    """Turns texts into vectors of length one."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors, float32, shape (texts, dimensions)."""
        ...


class SearchableIndex(Protocol):
    """One version of an index of chunks."""

    def search_dense(self, vector: np.ndarray, k: int, where: str | None = None) -> pl.DataFrame:
        """The `k` chunks nearest to a vector: `CHUNK_COLUMNS` and `score` (cosine)."""
        ...

    def search_text(self, query: str, k: int, where: str | None = None) -> pl.DataFrame:
        """The `k` chunks of highest BM25: `CHUNK_COLUMNS` and `score` (above 0)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A section that was found, by its best chunk.

    Attributes:
        chunk_id: The chunk.
        section_id: The section it is part of.
        document_id: The document, a path.
        title: Title of the section.
        heading_path: Titles from the document's down.
        text: The chunk's own words.
        score: How well it fits, more is better; comparable between questions except where legs are fused by ranks.
        legs: Score of the section in each leg that returned it.
    """

    chunk_id: str
    section_id: str
    document_id: str
    title: str
    heading_path: str
    text: str
    score: float
    legs: Mapping[str, float]


class Reranker(Protocol):
    """Orders the best passages anew: the place of a trained model."""

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The same passages, best first, with scores of its own."""
        ...


@dataclass(frozen=True, kw_only=True)
class Retriever:
    """Retrieval over one version of an index.

    Attributes:
        index: The index.
        embedder: What its vectors were made with.
        config: How sections are looked for and ranked.
        reranker: What orders the first ones anew; None: nothing does.
    """

    index: SearchableIndex
    embedder: Embeds
    config: RetrievalConfig
    reranker: Reranker | None = None

    def retrieve(self, question: str, *, k: int, where: str | None = None) -> list[Passage]:
        """At most `k` passages, best first, of `k` sections.

        Args:
            question: What is asked.
            k: Greatest number of passages.
            where: SQL condition on the columns of chunks, for example `document_id LIKE 'library/%'`; None: all of them.
        """
        legs = search_legs(self.index, self.embedder, question, legs=self.config.legs, depth=self.config.depth, where=where)
        found = build_passages(rank_candidates(_join(legs), self.config), legs)
        if self.reranker is None:
            return found[:k]
        depth = self.config.rerank_depth
        return [*self.reranker.rerank(question, found[:depth]), *found[depth:]][:k]


def search_legs(
    index: SearchableIndex, embedder: Embeds, question: str, *, legs: Sequence[str], depth: int, where: str | None = None
) -> dict[str, pl.DataFrame]:
    """What each leg returns for a question: `CHUNK_COLUMNS` and `score`, at most `depth` rows; an empty question finds nothing by words."""
    found = {}
    if DENSE in legs:
        found[DENSE] = index.search_dense(embedder.embed([question])[0], depth, where)
    if TEXT in legs:
        found[TEXT] = index.search_text(question, depth, where)
    return found


def rank_candidates(candidates: pl.DataFrame, config: RetrievalConfig) -> pl.DataFrame:
    """Rank the candidates of any number of questions as a configuration says.

    Args:
        candidates: `question_id`, `section_id`, `dense`, `bm25` (null where a leg did not return the section).
        config: How.

    Returns:
        `question_id`, `section_id`, `score`, `rank` (1 is best). Grain: one row per question and section.
    """
    if config.method in (DENSE, TEXT):
        scored = candidates.filter(pl.col(config.method).is_not_null()).with_columns(pl.col(config.method).alias("score"))
    elif config.method == "rank_fusion":
        scored = fuse_ranks(candidates)
    else:
        scored = fuse_scores(candidates, text_weight=config.text_weight, text_saturation=config.text_saturation)
    return rank_sections(scored)


def build_passages(ranked: pl.DataFrame, legs: Mapping[str, pl.DataFrame]) -> list[Passage]:
    """Passages of one question, best first. Where both legs know a section, the chunk nearest in meaning stands for it."""
    scores: dict[str, dict[str, float]] = {}
    chunks: dict[str, dict[str, Any]] = {}
    for leg in (DENSE, TEXT):
        for chunk in legs[leg].sort("score", "chunk_id", descending=[True, False]).iter_rows(named=True) if leg in legs else ():
            scores.setdefault(chunk["section_id"], {}).setdefault(leg, chunk["score"])
            chunks.setdefault(chunk["section_id"], chunk)
    return [
        Passage(**{name: chunks[section][name] for name in CHUNK_COLUMNS}, score=score, legs=scores[section])
        for section, score in ranked.select("section_id", "score").iter_rows()
    ]


def _join(legs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"section_id": pl.String, "score": pl.Float64})
    one = [legs.get(leg, empty).select(pl.lit("").alias("question_id"), "section_id", pl.col("score").cast(pl.Float64)) for leg in (DENSE, TEXT)]
    return join_legs(one[0], one[1])
