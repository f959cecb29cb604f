"""Rows without a key or without a time: what stands in for them, and what that means.

A table without time is taken for rows that might as well have come in any order. They are put into a random one and laid out
day by day from the first of January 2000, so that every split by time is a random split; nothing of what is said about time holds
for them. Rows of one group share a day, so that no group is on both sides of a split.
"""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from headrace.errors import UseCaseError
from headrace.scaffold.reading import INSTANT, Table
from headrace.words import format_count

NONE = "none"

ROW_ID, PLACED_AT = "row_id", "placed_at"

_FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)

# A hundred days are a hundred blocks for the bootstrap, and each holds one row in a hundred.
_DAYS = 100

_SEED = 0

# With fewer groups, the window that judges (12 % of the rows) holds two of them, and a bound over days has nothing to resample.
_LEAST_GROUPS = 20

# Whatever side of a split a larger group is on, the other side is without most of the rows.
_MOST_IN_ONE_GROUP = 0.5


def number_rows(table: Table) -> Table:
    """The table with `row_id`: the place of each row in the file, from 0."""
    rows = table.rows.with_row_index(ROW_ID).with_columns(pl.col(ROW_ID).cast(pl.Int64))
    note = f"Rows have no key, so they are numbered as they lie in the file ({ROW_ID}): the same row delivered twice is two rows."
    return _add(table, ROW_ID, rows=rows, note=note)


def check_group(table: Table, group: str) -> Table:
    """The table with a note where its groups are few.

    Raises:
        UseCaseError: A random split of whole groups has nothing to choose from: they are too few, or one has most of the rows.
    """
    counts = table.rows[group].value_counts()["count"]
    way_out = f"name a column of more values, or leave GROUP out if rows of one {group} say nothing about each other"
    if counts.len() < _LEAST_GROUPS:
        raise UseCaseError(
            f"GROUP={group} has {format_count(counts.len(), 'different value')}, at least {_LEAST_GROUPS} are needed: rows of one value stay "
            f"together, so too few of them could train, tune and judge; {way_out}"
        )
    largest = max(counts.to_list()) / table.rows.height
    if largest > _MOST_IN_ONE_GROUP:
        raise UseCaseError(
            f"GROUP={group} has one value in {largest:.0%} of the rows, at most {_MOST_IN_ONE_GROUP:.0%} may stay together: no split would leave "
            f"enough on both of its sides; {way_out}"
        )
    if counts.len() >= _DAYS:
        return table
    note = f"GROUP={group} has {counts.len()} values only, of which about {counts.len() * 12 // 100} judge a model: take its verdicts with care."
    return replace(table, notes=[*table.notes, note])


def place_at_random(table: Table, *, group: str, is_grouped: bool) -> Table:
    """The table with `placed_at`: one of a hundred made-up days for each value of `group`, the same on every run.

    Args:
        table: A table without time.
        group: Column whose equal values stay together: the key, or who or what a row is about.
        is_grouped: Whether a person named it.
    """
    count = table.rows[group].n_unique()
    order = table.rows.select(group).unique().sort(group).sample(fraction=1.0, shuffle=True, seed=_SEED).with_row_index("_place")
    days = pl.duration(days=pl.col("_place").cast(pl.Int64) * _DAYS // max(count, 1))
    placed = order.select(group, (pl.lit(_FIRST_DAY).cast(INSTANT) + days).alias(PLACED_AT))
    rows = table.rows.join(placed, on=group, how="left", maintain_order="left")
    asked = "" if is_grouped else " May what a row is about be known from other rows? Then name what they share: GROUP=."
    note = (
        f"There is no time, so every split is a random one: rows lie in random order on {min(count, _DAYS)} made-up days ({PLACED_AT}), those of "
        f"one {group} together. Months, drift and retraining are a rehearsal then, not history.{asked}"
    )
    return _add(table, PLACED_AT, rows=rows, note=note)


def _add(table: Table, name: str, *, rows: pl.DataFrame, note: str) -> Table:
    return Table(rows=rows, names={**table.names, name: name}, notes=[*table.notes, note], made=(*table.made, name))
