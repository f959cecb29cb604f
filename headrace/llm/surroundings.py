"""What stands around a short section, in its embedding: "No, but it helps." says little without the sections beside it.

A chunk's vector is its own plus a share of the mean of its neighbours', made as long as one. The share falls with the length of
the section: one half of its own for 32 tokens, a ninth for 256. It is taken when an index is published, from embeddings that are
there, so a text is still embedded once and a search costs nothing more.

Found on one half of 174 questions of Python's FAQ, among 4,384 sections: nDCG@10 of dense search 0.728 without, 0.750 with both
neighbours (the one before alone 0.734, the one behind alone 0.731); shares that fall at 16 or 64 tokens give 0.746 and 0.741.
"""

import numpy as np
import polars as pl

# Tokens of a section whose neighbours count half as much as itself.
HALF_TOKENS = 32


def mix_surroundings(rows: pl.DataFrame) -> pl.DataFrame:
    """Chunks with what stands around them in their embeddings.

    Args:
        rows: Chunks of whole documents: `document_id`, `content_hash`, `position` (place of the section in its document), `ordinal`,
            `token_count` (of the section) and `embedding`. Grain: one row per chunk.

    Returns:
        The same rows in the same order, `embedding` of length one as before; a chunk that is a document by itself keeps its own.
    """
    place = ["document_id", "content_hash", "position", "ordinal"]
    ordered = rows.with_row_index("_row").sort(place)
    if ordered.is_empty():
        return rows
    own = np.array(ordered["embedding"].to_list(), dtype=np.float64).reshape(ordered.height, -1)
    document = ordered.select(pl.struct(place[:2]).rank("dense")).to_series().to_numpy()
    follows = np.append(document[1:] == document[:-1], False)[:, None]
    behind = np.where(follows, np.roll(own, -1, axis=0), 0.0)
    before = np.roll(np.where(follows, own, 0.0), 1, axis=0)
    count = follows.astype(np.int64) + np.roll(follows, 1)
    share = HALF_TOKENS / (HALF_TOKENS + ordered["token_count"].to_numpy()[:, None])
    mixed = own + share * (before + behind) / np.maximum(count, 1)
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    embedding = pl.Series("embedding", mixed.astype(np.float32), dtype=pl.Array(pl.Float32, own.shape[1])).cast(pl.List(pl.Float32))
    return ordered.with_columns(embedding).sort("_row").drop("_row")
