"""Two ways of finding put together: by how near in meaning (dense), and by the words that a text shares with the question (BM25).

Scores are fused on scales of their own that mean the same for every question: a cosine as the index has it (less what a chunk lacks for
its crowding), BM25 bent to `s / (s + c)`, which is 0 for no word in common and nears 1. Scales drawn from each question's own best and
worst ranked no better (nDCG@10 on 86 held-out questions of Python's FAQ: min-max 0.627, z-scores 0.644, these 0.645, each with its own
tuned weight), and their best is always 1, so they could not say that nothing fits. Fusion by ranks is here to be compared with: it
forgets how good the best was, and on questions in plain words its second leg pulls the first one down (0.557, where meaning alone had
0.620).

A section that only one leg has found gets the other leg's lowest score among those it returned: an upper bound of what it was not
shown for.
"""

import polars as pl

DENSE, TEXT = "dense", "bm25"

# Of reciprocal rank fusion, as its authors have it (Cormack, Clarke and Büttcher 2009).
RANK_CONSTANT = 60


def fuse_scores(candidates: pl.DataFrame, *, text_weight: float, text_saturation: float) -> pl.DataFrame:
    """Fuse by scores: `(1 - w) * cosine + w * s / (s + c)`.

    Args:
        candidates: `question_id`, `section_id`, `dense` (cosine), `bm25` (0 and up); null where a leg did not return the section.
            Grain: one row per question and section.
        text_weight: w, 0 (dense alone) to 1 (BM25 alone).
        text_saturation: c, the BM25 score that counts half.

    Returns:
        The candidates with `score`, more is better; comparable between questions.
    """
    text = _fill(TEXT)
    return candidates.with_columns(((1 - text_weight) * _fill(DENSE) + text_weight * text / (text + text_saturation)).alias("score"))


def fuse_ranks(candidates: pl.DataFrame, *, constant: int = RANK_CONSTANT) -> pl.DataFrame:
    """Fuse by ranks: the sum of `1 / (constant + rank)` over the legs that returned the section.

    Args:
        candidates: As for `fuse_scores`.
        constant: How little the first ranks stand out.

    Returns:
        The candidates with `score`, more is better; it says nothing about how good the best is.
    """
    ranks = {leg: pl.col(leg).rank("min", descending=True).over("question_id") for leg in (DENSE, TEXT)}
    return candidates.with_columns(pl.sum_horizontal((1 / (constant + rank)).fill_null(0.0) for rank in ranks.values()).alias("score"))


def join_legs(dense: pl.DataFrame, text: pl.DataFrame) -> pl.DataFrame:
    """Candidates of both legs, each section with its best chunk.

    Args:
        dense: `question_id`, `section_id`, `score` (cosine). Grain: one row per question and chunk.
        text: The same of BM25.

    Returns:
        `question_id`, `section_id`, `dense`, `bm25`, sorted by question and section. Grain: one row per question and section.
    """
    best = [leg.group_by("question_id", "section_id").agg(pl.col("score").max().alias(name)) for leg, name in ((dense, DENSE), (text, TEXT))]
    return best[0].join(best[1], on=["question_id", "section_id"], how="full", coalesce=True).sort("question_id", "section_id")


def _fill(leg: str) -> pl.Expr:
    """A leg's score; where it did not return the section, its lowest of this question, or 0 where it returned nothing at all."""
    return pl.col(leg).fill_null(pl.col(leg).min().over("question_id")).fill_null(0.0)
