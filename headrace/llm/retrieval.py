"""Find the sections that answer a question, and say why each was found.

Both legs search chunks; a section is as good as its best chunk. What comes back are ranked sections; those that are shown are then read
as passages: the best chunk of each section, word for word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import polars as pl

from headrace.llm.fusion import DENSE, TEXT, fuse_ranks, fuse_scores, join_legs
from headrace.llm.ranking_metrics import rank_sections
from headrace.llm.retrieval_config import RetrievalConfig


class Embeds(Protocol):
    """Turns texts into vectors of length one."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors, float32, shape (texts, dimensions)."""
        ...


class SearchableIndex(Protocol):
    """One version of an index of chunks."""

    def search_dense(self, vector: np.ndarray, k: int, where: str | None = None) -> pl.DataFrame:
        """The `k` chunks nearest to a vector, best first: `chunk_id`, `section_id`, `row_id` and `score` (cosine less crowding)."""
        ...

    def search_text(self, query: str, k: int, where: str | None = None) -> pl.DataFrame:
        """The `k` chunks of highest BM25, best first: `chunk_id`, `section_id`, `row_id` and `score` (above 0)."""
        ...

    def read_chunks(self, row_ids: Sequence[int]) -> Sequence[Mapping[str, str]]:
        """`chunk_id`, `section_id`, `document_id`, `title`, `heading_path` and `text` of chunks, in the order asked for."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A section that was found, by its best chunk; what it says is not read yet.

    Attributes:
        section_id: The section.
        chunk_id: Its best chunk.
        row_id: Where the index holds that.
        score: How well it fits, more is better; comparable between questions except where legs are fused by ranks.
        legs: Score of the section in each leg that returned it.
    """

    section_id: str
    chunk_id: str
    row_id: int
    score: float
    legs: Mapping[str, float]


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
        score, legs: As in `Ranked`.
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

    def embed(self, question: str) -> np.ndarray:
        """The embedding of a question, of length one."""
        return self.embedder.embed([question])[0]

    def rank(self, question: str, *, k: int, embedding: np.ndarray | None = None, where: str | None = None) -> list[Ranked]:
        """At most `k` sections, best first; the text of none is read unless a reranker wants it.

        Args:
            question: What is asked.
            k: Greatest number of sections.
            embedding: Of the question, where somebody has it; else it is computed where a leg needs it.
            where: SQL condition on the columns of chunks, for example `document_id LIKE 'library/%'`; None: all of them.
        """
        legs, depth = {}, self.config.depth
        if DENSE in self.config.legs:
            legs[DENSE] = self.index.search_dense(self.embed(question) if embedding is None else embedding, depth, where)
        if TEXT in self.config.legs:
            legs[TEXT] = self.index.search_text(question, depth, where)
        wanted = k if self.reranker is None else max(k, self.config.rerank_depth)
        found = build_ranked(rank_candidates(_join(legs), self.config).head(wanted), legs)
        if self.reranker is None:
            return found
        first = {section.chunk_id: section for section in found[: self.config.rerank_depth]}
        ordered = self.reranker.rerank(question, self.read(list(first.values())))
        return [*(replace(first[passage.chunk_id], score=passage.score) for passage in ordered), *found[len(first) :]][:k]

    def read(self, ranked: Sequence[Ranked]) -> list[Passage]:
        """What sections say, in the same order."""
        chunks = self.index.read_chunks([section.row_id for section in ranked])
        return [Passage(**chunk, score=section.score, legs=section.legs) for section, chunk in zip(ranked, chunks, strict=True)]


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


def build_ranked(ranked: pl.DataFrame, legs: Mapping[str, pl.DataFrame]) -> list[Ranked]:
    """The ranked sections of one question, in their order. Where both legs know a section, the chunk nearest in meaning stands for it."""
    scores: dict[str, dict[str, float]] = {section: {} for section in ranked["section_id"]}
    chunks: dict[str, tuple[str, int]] = {}
    for leg in (DENSE, TEXT):
        # The best chunk of a section comes first.
        for section, chunk_id, row_id, score in legs[leg].select("section_id", "chunk_id", "row_id", "score").iter_rows() if leg in legs else ():
            if section in scores:
                scores[section].setdefault(leg, score)
                chunks.setdefault(section, (chunk_id, row_id))
    return [
        Ranked(section_id=section, chunk_id=chunks[section][0], row_id=chunks[section][1], score=score, legs=scores[section])
        for section, score in ranked.select("section_id", "score").iter_rows()
    ]


def _join(legs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"section_id": pl.String, "score": pl.Float64})
    one = [legs.get(leg, empty).select(pl.lit("").alias("question_id"), "section_id", pl.col("score").cast(pl.Float64)) for leg in (DENSE, TEXT)]
    return join_legs(one[0], one[1])
