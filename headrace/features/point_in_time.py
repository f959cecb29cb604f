"""The one as-of join: for each left row, the newest right row that was known by then.

Everything that could let the future in is handled here, so no view has to think of it: Polars trusts the order of its
inputs (an unsorted left side silently receives rows of the future) and lets the input's order decide between right rows
that became known at the same instant.
"""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

_ROW = "_row"
_KNOWN = "_known"


def join_as_of(
    left: pl.DataFrame, right: pl.DataFrame, *, by: Sequence[str], at: str, known: str, tolerance: timedelta | None = None
) -> pl.DataFrame:
    """Add to each left row the columns of the newest right row of its key with `known <= at`.

    Args:
        left: Rows to complete, in any order; comes back in the same order with the same number of rows.
        right: Rows that became known, in any order. Of several with the same key and instant, the last one by its other
            columns counts, whatever order they came in.
        by: Columns of the key, in both frames. A null key matches nothing.
        at: Instant of a left row (UTC). Null matches nothing.
        known: Instant at which a right row became known (UTC); it is not among the added columns.
        tolerance: Greatest age of the right row (`at - known <= tolerance`); None: any.

    Returns:
        `left` and the right frame's other columns, null where nothing was known.
    """
    values = [column for column in right.columns if column not in (*by, known)]
    newest = _newest_per_instant(right.drop_nulls([*by, known]), by=by, known=known, values=values)
    joined = (
        left.with_row_index(_ROW)
        .sort(at, nulls_last=True)
        .join_asof(
            newest.rename({known: _KNOWN}),
            left_on=at,
            right_on=_KNOWN,
            by=list(by),
            strategy="backward",
            tolerance=tolerance,
            coalesce=False,
            check_sortedness=False,
        )
    )
    return joined.sort(_ROW).select(*left.columns, *values)


def _newest_per_instant(right: pl.DataFrame, *, by: Sequence[str], known: str, values: Sequence[str]) -> pl.DataFrame:
    """Sorted by `known`, one row per key and instant."""
    identity = [*by, known]
    if right.select(identity).is_duplicated().any():
        right = right.sort([*identity, *values]).unique(identity, keep="last", maintain_order=True)
    return right.sort(known)
