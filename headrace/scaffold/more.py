"""More rows for a use case that is there: another file goes where it looks, in the columns and types that its contract promises.

However few they are; nothing is decided anew. Rows that have no key are numbered on, and rows without a time are placed at the
instant at which they come.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace.errors import UseCaseError
from headrace.lake.contracts import SYSTEM_COLUMNS, read_contract
from headrace.lake.landing import KNOWN_AT
from headrace.scaffold.columns import check_time, find_column, show_names
from headrace.scaffold.placing import NONE, PLACED_AT, ROW_ID
from headrace.scaffold.plan import Question
from headrace.scaffold.reading import FLAGS, INSTANT, Table
from headrace.scaffold.writing import find_same, land

# Made here, so they say nothing about whether rows are the same.
_OWN = (ROW_ID, PLACED_AT, KNOWN_AT)


@dataclass(frozen=True, kw_only=True)
class Added:
    """What a file added.

    Attributes:
        path: The landed file.
        is_new: Whether it was not there yet.
        row_count: Its rows.
        replaced_count: Those whose key an earlier file has; they will take the older rows' place. None where rows have no key.
    """

    path: Path
    is_new: bool
    row_count: int
    replaced_count: int | None


def add_rows(question: Question, table: Table, *, feed: str, root: Path, now: datetime | None = None) -> Added:
    """Land the rows of a table for a use case that was made before.

    Args:
        question: What a person asks for.
        table: The rows.
        feed: Noun of the use case's tables.
        root: The clone.
        now: Instant (UTC) at which rows without a time come; left out, the present.

    Raises:
        UseCaseError: The rows have other columns than the use case, or values that its types cannot hold.
    """
    folder = root / "landing" / question.name / feed
    landed = sorted(folder.glob("*.parquet"))
    named = _name_columns(question, table, landed=landed, now=now or datetime.now(UTC))
    contracts = root / "data_contracts" / question.name
    rows = _fit(named, contracts / f"bronze.{question.name}_{feed}.yaml")
    same = find_same(rows, folder, but=[name for name in _OWN if name in rows.columns and name not in table.rows.columns])
    if same is not None:
        return Added(path=same, is_new=False, row_count=rows.height, replaced_count=0)
    replaced = None
    key = read_contract(contracts / f"silver.{question.name}_{feed}.yaml").key
    if question.key != NONE and key is not None:
        known = pl.scan_parquet(landed).select(key.columns).unique().collect() if landed else rows.clear()
        replaced = rows.join(known, on=list(key.columns), how="semi").height
    return Added(path=land(rows, folder=folder, source=question.source), is_new=True, row_count=rows.height, replaced_count=replaced)


def _name_columns(question: Question, table: Table, *, landed: list[Path], now: datetime) -> pl.DataFrame:
    """The rows with a key and the instant at which they are known."""
    if question.key == NONE:
        begun = pl.scan_parquet(landed).select(pl.col(ROW_ID).max()).collect().item() + 1 if landed else 0
        table = Table(rows=table.rows.with_row_index(ROW_ID, offset=begun).cast({ROW_ID: pl.Int64}), names=table.names, notes=table.notes)
    else:
        find_column(table, "KEY", question.key)
    if question.time == NONE:
        return table.rows.with_columns(pl.lit(now.replace(microsecond=0)).cast(INSTANT).alias(name) for name in (PLACED_AT, KNOWN_AT))
    time = find_column(table, "TIME", question.time)
    return check_time(table, time).rows.with_columns(pl.col(time).cast(INSTANT).alias(KNOWN_AT))


def _fit(rows: pl.DataFrame, contract: Path) -> pl.DataFrame:
    """The rows as bronze promises them: a column of whole numbers may be one of numbers there, and an empty one may be any."""
    promised = {name: dtype for name, dtype in read_contract(contract).schema.items() if name not in SYSTEM_COLUMNS}
    missing, unknown = [name for name in promised if name not in rows.columns], [name for name in rows.columns if name not in promised]
    if missing or unknown:
        found = [f"it lacks {show_names(missing)}"] * bool(missing) + [f"it has {show_names(unknown)} beside them"] * bool(unknown)
        raise UseCaseError(f"the file has other columns than the use case that it would add to: {'; '.join(found)}; mend it, or choose another NAME")
    wrong = []
    for name, dtype in promised.items():
        fitted = _cast(rows[name], dtype)
        if fitted.null_count() != rows[name].null_count():
            wrong.append(f"{name} is {rows.schema[name]} here and {dtype} there")
        rows = rows.with_columns(fitted)
    if wrong:
        held = show_names(wrong, by="; ")
        raise UseCaseError(f"the file has values that the use case's columns cannot hold: {held}; mend it, or choose another NAME")
    return rows.select(list(promised))


def _cast(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """A column as another type, null where that would lose something (8.5 as a whole number).

    Of a few rows that all say no, nobody could see that they are flags.
    """
    if dtype == pl.Boolean() and column.dtype == pl.String:
        words = {word: word == yes for yes, no in FLAGS for word in (yes, no)}
        return column.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
    try:
        fitted = column.cast(dtype, strict=False)
        if column.dtype in (pl.String, pl.Null):
            return fitted
        is_kept = fitted.cast(column.dtype, strict=False).eq_missing(column)
        return fitted.to_frame().select(pl.when(is_kept).then(pl.col(column.name)).alias(column.name)).to_series()
    except pl.exceptions.InvalidOperationError:
        return pl.Series(column.name, [None] * column.len(), dtype=dtype)
