"""Find how much each leg of retrieval should count, on questions whose answers are known and on no others.

The search is a grid, small and without chance: the same index and questions give the same weights. Both legs alone lie on it, so
on the questions that it saw the fusion is never below the better leg; and where it gains nothing on questions that were left out, one
after the other, the better leg is taken alone. Whether that holds on others is what an evaluation says.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from headrace.llm.fusion import DENSE, TEXT, join_legs
from headrace.llm.ranking_metrics import measure_rankings, name_ndcg
from headrace.llm.retrieval import Embeds, SearchableIndex, rank_candidates
from headrace.llm.retrieval_config import RetrievalConfig

logger = logging.getLogger(__name__)

Half = Literal["tune", "holdout"]

# A step of 0.05 moves the mean by less than its interval is wide; finer ones would fit noise.
TEXT_WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))

# BM25 score that counts half. Tuned with the weight (5, 10, 20 or 40) it changed nothing that could be shown: the best nDCG at 10 of 89
# questions was 0.759 to 0.760 with each, and to choose among all four lost 0.019 of it on questions left out; with 10 alone nothing.
TEXT_SATURATION = 10.0

METRIC = name_ndcg(10)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What both legs returned for a set of questions.

    Attributes:
        rows: `question_id`, `section_id`, `dense`, `bm25` (null where a leg did not return the section). Grain: one row per question
            and section.
        milliseconds: Of each question, by step: `embedding`, `dense`, `bm25`.
    """

    rows: pl.DataFrame
    milliseconds: dict[str, list[float]]


def name_half(question_id: str) -> Half:
    """Which half a question belongs to: by its hash, so that it never changes sides, whatever other questions come."""
    return "tune" if hashlib.sha256(question_id.encode()).digest()[0] % 2 == 0 else "holdout"


def collect_candidates(index: SearchableIndex, embedder: Embeds, questions: pl.DataFrame, *, depth: int) -> Candidates:
    """Ask both legs every question once; all ways to fuse them can be judged on that.

    Args:
        index: The index.
        embedder: What its vectors were made with.
        questions: `question_id`, `question`. Grain: one row per question.
        depth: Chunks that each leg returns.
    """
    found: dict[str, list[pl.DataFrame]] = {DENSE: [], TEXT: []}
    milliseconds: dict[str, list[float]] = {"embedding": [], DENSE: [], TEXT: []}
    for question_id, question in questions.select("question_id", "question").iter_rows():
        started = time.perf_counter()
        vector = embedder.embed([question])[0]
        embedded = time.perf_counter()
        dense = index.search_dense(vector, depth)
        searched = time.perf_counter()
        text = index.search_text(question, depth)
        for step, seconds in zip(milliseconds, (embedded - started, searched - embedded, time.perf_counter() - searched), strict=True):
            milliseconds[step].append(seconds * 1e3)
        for leg, rows in ((DENSE, dense), (TEXT, text)):
            found[leg].append(rows.select(pl.lit(question_id).alias("question_id"), "section_id", pl.col("score").cast(pl.Float64)))
    empty = pl.DataFrame(schema={"question_id": pl.String, "section_id": pl.String, "score": pl.Float64})
    return Candidates(rows=join_legs(pl.concat([empty, *found[DENSE]]), pl.concat([empty, *found[TEXT]])), milliseconds=milliseconds)


def tune_fusion(candidates: pl.DataFrame, truth: pl.DataFrame, *, depth: int) -> RetrievalConfig:
    """The weights of the grid with the highest mean nDCG at 10, of equal ones those with the least BM25; or the better leg alone.

    A fusion has to show that it gains: each question is ranked with the weights that all others would have chosen, and unless that
    is better on the mean than the better leg, that leg is taken.

    Args:
        candidates: As `Candidates.rows`, of the questions to tune on.
        truth: `question_id`, `section_id` of those questions. Grain: one row per question and section that answers it.
        depth: Chunks that each leg returned.

    Returns:
        A fusion by scores, or one leg; with no truth to learn from, dense alone.
    """
    if truth.is_empty():
        return RetrievalConfig(method="dense", depth=depth)
    grid = [RetrievalConfig(method="score_fusion", text_weight=weight, text_saturation=TEXT_SATURATION, depth=depth) for weight in TEXT_WEIGHTS]
    known = candidates.join(truth.select("question_id").unique(), on="question_id", how="semi")
    figures = np.stack([measure_questions(rank_candidates(known, config), truth) for config in grid])
    chosen = grid[_find_best(figures.mean(axis=1, keepdims=True))[0]]
    # Of each question, the sums over all others.
    unseen = np.take_along_axis(figures, _find_best(figures.sum(axis=1, keepdims=True) - figures)[None, :], axis=0).mean()
    alone = [RetrievalConfig(method=leg, depth=depth) for leg in ("dense", "bm25")]
    legs = np.stack([measure_questions(rank_candidates(known, config), truth) for config in alone]).mean(axis=1)
    gain = round(float(unseen - legs.max()), 9)
    logger.info("tuned retrieval questions=%d text_weight=%g gain_on_unseen=%.4f", figures.shape[1], chosen.text_weight, gain)
    return chosen if gain > 0 else alone[_find_best(legs)]


def measure_questions(ranked: pl.DataFrame, truth: pl.DataFrame) -> np.ndarray:
    """Per question of the truth its nDCG at 10, in the truth's order."""
    figures = measure_rankings(ranked, truth, recall_cutoffs=(), ndcg_cutoffs=(10,))
    return figures.filter(pl.col("metric") == METRIC)["value"].to_numpy()


def _find_best(figures: np.ndarray) -> np.ndarray:
    """Of each column the first row that is best; what differs in the last bits is equal."""
    return np.argmax(np.round(figures, 9), axis=0)


def select_half(rows: pl.DataFrame, half: Half) -> pl.DataFrame:
    """The rows whose `question_id` belongs to a half."""
    ids: Sequence[str] = rows["question_id"].unique().to_list()
    return rows.filter(pl.col("question_id").is_in([question_id for question_id in ids if name_half(question_id) == half]))
