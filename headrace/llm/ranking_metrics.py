"""How well a ranking of sections answers a question whose true sections are known: recall, reciprocal rank, nDCG.

Relevance is binary: a section answers the question or it does not. Figures are per question, so that means, intervals and
paired comparisons can all be made from the same rows.
"""

from collections.abc import Sequence

import polars as pl

RECIPROCAL_RANK = "reciprocal_rank"

# What a reader sees (1 and 5), what a page shows (10), and what a reranker would be handed (50).
RECALL_CUTOFFS = (1, 5, 10, 50)
NDCG_CUTOFFS = (10,)


def name_recall(cutoff: int) -> str:
    """`recall_at_10_fraction`: the share of the true sections that are among the first 10."""
    return f"recall_at_{cutoff}_fraction"


def name_ndcg(cutoff: int) -> str:
    """`ndcg_at_10`: the discounted gain of the first 10, as a share of what the best order would give."""
    return f"ndcg_at_{cutoff}"


def measure_rankings(
    ranked: pl.DataFrame, truth: pl.DataFrame, *, recall_cutoffs: Sequence[int] = RECALL_CUTOFFS, ndcg_cutoffs: Sequence[int] = NDCG_CUTOFFS
) -> pl.DataFrame:
    """Measure the ranking of every question that has a truth; one that nothing was found for counts as 0.

    nDCG discounts rank r by log2(r + 1) (Järvelin and Kekäläinen 2002); the reciprocal rank is that of the first true
    section, over the whole ranking.

    Args:
        ranked: `question_id`, `section_id`, `rank` (1 is best). Grain: one row per question and section, each rank once.
        truth: `question_id`, `section_id`. Grain: one row per question and section that answers it.
        recall_cutoffs: Ranks at which recall is taken.
        ndcg_cutoffs: Ranks at which nDCG is taken.

    Returns:
        `question_id`, `metric`, `value` (0 to 1). Grain: one row per question of the truth and metric, in the truth's order.

    Raises:
        ValueError: A question has a section or a rank twice in either frame, or a rank below 1.
    """
    _check_ranked(ranked, truth)
    found = truth.join(ranked.select("question_id", "section_id", "rank"), on=["question_id", "section_id"], how="left")
    rank, relevant = pl.col("rank"), pl.len()
    figures = {name_recall(cutoff): ((rank <= cutoff).sum() / relevant) for cutoff in recall_cutoffs}
    figures[RECIPROCAL_RANK] = (1 / rank.min()).fill_null(0.0)
    figures |= {name_ndcg(cutoff): _gain(cutoff) / _best_gain(cutoff) for cutoff in ndcg_cutoffs}
    per_question = found.group_by("question_id", maintain_order=True).agg(figure.cast(pl.Float64).alias(name) for name, figure in figures.items())
    return per_question.unpivot(index="question_id", variable_name="metric", value_name="value")


def rank_sections(scored: pl.DataFrame) -> pl.DataFrame:
    """Rank sections by their best chunk; equal scores are ordered by section, so that a repeat gives the same ranks.

    Args:
        scored: `question_id`, `section_id`, `score` (more is better). Grain: one row per question and chunk.

    Returns:
        `question_id`, `section_id`, `score`, `rank` (1 is best). Grain: one row per question and section.
    """
    best = scored.group_by("question_id", "section_id").agg(pl.col("score").max())
    ordered = best.sort(["question_id", "score", "section_id"], descending=[False, True, False])
    return ordered.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("question_id").alias("rank"))


def _gain(cutoff: int) -> pl.Expr:
    rank = pl.col("rank")
    return pl.when(rank <= cutoff).then(1 / (rank + 1).log(2)).otherwise(0.0).sum()


def _best_gain(cutoff: int) -> pl.Expr:
    """The gain when all true sections come first."""
    place = pl.int_range(1, pl.len() + 1)
    return pl.when(place <= cutoff).then(1 / (place + 1).log(2)).otherwise(0.0).sum()


def _check_ranked(ranked: pl.DataFrame, truth: pl.DataFrame) -> None:
    repeats = {
        "the truth names a section of a question twice": truth.select("question_id", "section_id").is_duplicated().any(),
        "the ranking holds a section of a question twice": ranked.select("question_id", "section_id").is_duplicated().any(),
        "the ranking gives a rank of a question twice": ranked.select("question_id", "rank").is_duplicated().any(),
        "the ranking has a rank below 1, which is the best": bool((ranked["rank"] < 1).any()),
    }
    if wrong := [claim for claim, is_wrong in repeats.items() if is_wrong]:
        raise ValueError("; ".join(wrong))
