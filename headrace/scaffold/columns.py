"""Columns that a person names: found, and fit for what they are said to be, or refused with what would do."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from headrace.errors import UseCaseError
from headrace.scaffold.reading import INSTANT, Table, show_name
from headrace.words import format_count

# Share of rows that may lack an instant, or repeat a key: the odd ones of an export. With more, the column is not what it is said to be.
_MOST_ODD = 0.01

# Years that an instant may lie in; others are stand-ins for "unknown" (9999-12-31) or were written with two digits.
_YEARS = (1800, 2200)

# Names shown in a sentence.
_MOST_SHOWN = 20


def find_column(table: Table, what: str, name: str) -> str:
    """The new name of a column that is given as the value of `what`.

    Raises:
        UseCaseError: The table has none of that name.
    """
    found = table.find(name)
    if found is None:
        raise UseCaseError(f"{what}={name} is no column of the table; it has {show_names([show_name(old) for old in table.names.values()])}")
    return found


def show_names(names: Sequence[str], *, by: str = ", ") -> str:
    """Names in a sentence; the first of them where they are many."""
    more = f"{by}and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return by.join(names[:_MOST_SHOWN]) + more


def check_time(table: Table, time: str) -> Table:
    """The table with instants in its time column.

    Raises:
        UseCaseError: The column holds no instants, lacks too many, or has some that no row can have.
    """
    column = table.rows[time]
    if column.dtype == pl.Int64 and (column.drop_nulls().is_between(1000, 9999)).all():
        raise UseCaseError(f"TIME={time} holds years; a row needs a date or an instant: write one, for example 2013-07-01")
    if column.dtype not in (pl.Date, INSTANT):
        came = "text of no one format" if column.dtype == pl.String else column.dtype
        raise UseCaseError(f"TIME={time} is {came}, expected dates or instants such as 2026-05-31 or 2026-05-31T10:00:00Z; {_offer_times(table)}")
    if column.null_count() > _MOST_ODD * column.len():
        raise UseCaseError(
            f"TIME={time} is empty in {column.null_count():,} of {column.len():,} rows; a row without an instant cannot be placed: "
            "fill or remove them"
        )
    odd = column.len() - column.null_count() - int(column.dt.year().is_between(*_YEARS).sum())
    if odd:
        raise UseCaseError(
            f"TIME={time} lies before {_YEARS[0]} or after {_YEARS[1]} in {format_count(odd, 'row')}; empty such values, "
            "or write the year with four digits"
        )
    rows = table.rows.filter(pl.col(time).is_not_null()).with_columns(pl.col(time).cast(INSTANT))
    without = f"Left out: {format_count(column.null_count(), 'row')} without {time}, which cannot be placed in time."
    notes = [*table.notes, *([without] if column.null_count() else [])]
    return replace(table, rows=rows, notes=notes)


def _offer_times(table: Table) -> str:
    times = [name for name, kind in table.rows.schema.items() if kind in (pl.Date, INSTANT)]
    return f"columns that are: {show_names(times)}" if times else "no column of the table is"


def count_repeated(table: Table, key: str) -> int:
    """Rows whose key another row has; few may.

    Raises:
        UseCaseError: It identifies no rows: it is of another type, empty, or repeats too often.
    """
    column = table.rows[key]
    if column.dtype not in (pl.String, pl.Int64):
        raise UseCaseError(f"KEY={key} is {column.dtype}; a key is text or a whole number: {_offer_keys(table)}")
    if column.null_count():
        raise UseCaseError(
            f"KEY={key} is empty in {column.null_count()} of {column.len()} rows; fill it in or remove those rows; {_offer_keys(table)}"
        )
    repeated = column.len() - column.n_unique()
    if repeated > _MOST_ODD * column.len():
        raise UseCaseError(
            f"KEY={key} repeats in {repeated:,} of {column.len():,} rows: it has {format_count(column.n_unique(), 'different value')}, and a key has "
            f"another one in each row; {_offer_keys(table)}. Where several rows are about one {key} and nothing numbers them, say KEY=none, "
            f"and GROUP={key} where there is no TIME"
        )
    return repeated


def _offer_keys(table: Table) -> str:
    unique = [
        name
        for name, kind in table.rows.schema.items()
        if kind in (pl.String, pl.Int64) and not table.rows[name].has_nulls() and table.rows[name].n_unique() == table.rows.height
    ]
    if not unique:
        return "no column is without a repeated value: number the rows in the export, or say KEY=none"
    return f"columns without a repeated value: {show_names(unique)}"
