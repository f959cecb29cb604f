"""What is said twice in a corpus; apart from `corpus`, because a server that reads one need not load what compares texts."""

import polars as pl

from headrace.llm.near_duplicates import find_duplicates


def find_repeats(sections: pl.DataFrame) -> pl.DataFrame:
    """Which sections of a corpus repeat another one.

    Args:
        sections: Rows as of `read_sections`, in that order; the first of those that are alike is kept.

    Returns:
        `section_id`, `content_hash` and `duplicate_of`. Grain: one row per section that is not kept.
    """
    # The title counts: the same sentence under another heading may say another thing.
    texts = [f"{title}\n{text}" for title, text in sections.select("title", "text").iter_rows()]
    ids = sections["section_id"].to_list()
    kept = [None if place is None else ids[place] for place in find_duplicates(texts)]
    repeats = sections.select("section_id", "content_hash").with_columns(pl.Series("duplicate_of", kept, dtype=pl.String))
    return repeats.drop_nulls("duplicate_of")
