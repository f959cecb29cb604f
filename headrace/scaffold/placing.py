"""Rows without a key or without a time: what stands in for them, and what that means.

A table without time is taken for rows that might as well have come in any order. They are put into a random one and laid out
day by day from the first of January 2000, so that every split by time is a random split; nothing of what is said about time holds
for them. Rows of one group share a day, so that no group is on both sides of a split.
"""

from datetime import UTC, datetime

import polars as pl

from headrace.scaffold.reading import INSTANT, Table

NONE = "none"

ROW_ID, PLACED_AT = "row_id", "placed_at"

_FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)

# A hundred days are a hundred blocks for the bootstrap, and each holds one row in a hundred.
_DAYS = 100

_SEED = 0


def number_rows(table: Table) -> Table:
    """The table with `row_id`: the place of each row in the file, from 0."""
    rows = table.rows.with_row_index(ROW_ID).with_columns(pl.col(ROW_ID).cast(pl.Int64))
    note = f"Rows have no key, so they are numbered as they lie in the file ({ROW_ID}): the same row delivered twice is two rows."
    return Table(rows=rows, names={**table.names, ROW_ID: ROW_ID}, notes=[*table.notes, note])


def place_at_random(table: Table, *, group: str) -> Table:
    """The table with `placed_at`: one of a hundred made-up days for each value of `group`, the same on every run.

    Args:
        table: A table without time.
        group: Column whose equal values stay together: the key, or who or what a row is about.
    """
    count = table.rows[group].n_unique()
    order = table.rows.select(group).unique().sort(group).sample(fraction=1.0, shuffle=True, seed=_SEED).with_row_index("_place")
    days = pl.duration(days=pl.col("_place").cast(pl.Int64) * _DAYS // max(count, 1))
    placed = order.select(group, (pl.lit(_FIRST_DAY).cast(INSTANT) + days).alias(PLACED_AT))
    rows = table.rows.join(placed, on=group, how="left", maintain_order="left")
    note = (
        f"There is no time, so every split is a random one: rows lie in random order on {_DAYS} made-up days ({PLACED_AT}), those of one {group} "
        "together. To check: may what a row is about be known from other rows? Then name what they share: GROUP=."
    )
    return Table(rows=rows, names={**table.names, PLACED_AT: PLACED_AT}, notes=[*table.notes, note])
