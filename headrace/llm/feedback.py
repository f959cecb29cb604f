"""Feedback from bronze to silver: corrections lose personal data, everything else stays as it was said."""

import polars as pl

from headrace.llm.personal_data import mask


def refine_feedback(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the feed `feedback` as silver promises them.

    Args:
        rows: Bronze rows, system columns included. Grain: one piece of feedback.

    Returns:
        The same rows; `correction` masked, `masked_count` pieces of personal data in it, `known_at` (UTC) when it was said.
    """
    masked = [(None, 0) if text is None else mask(text) for text in rows["correction"]]
    return rows.with_columns(
        pl.col("given_at").alias("known_at"),
        pl.Series("correction", [text for text, _ in masked], dtype=pl.String),
        pl.Series("masked_count", [count for _, count in masked], dtype=pl.Int64),
    )
