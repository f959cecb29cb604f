"""The landing folder: a team's own CSV and Parquet files, checked against the contract before a row of them counts.

    <folder>/<feed>/2013-06-01.csv
    <folder>/<feed>/2013-06-02.parquet

A file is one delivery, arrived when it was last modified. Write it under a name that starts with `.` or `_` or ends with
`.tmp` or `.part`, then rename it: a CSV does not show that its end is missing.
"""

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import polars as pl

from headrace.errors import SourceError
from headrace.lake.batches import format_instant
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.settings import Settings
from headrace.source import Delivery
from headrace.words import format_count

KNOWN_AT = "known_at"

_UNFINISHED_STARTS, _UNFINISHED_ENDS = (".", "_"), (".tmp", ".part")
# Between the name of a file's delivery and the end of a part of it.
_PART = "@until-"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Parquet types that hold nothing that the contract's type could not.
_WIDENED: Mapping[type[pl.DataType] | pl.DataType, frozenset[type[pl.DataType]]] = {
    pl.Int64: frozenset({pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32}),
    pl.Float64: frozenset({pl.Float32}),
    pl.String: frozenset({pl.Categorical, pl.Enum}),
}


@dataclass(frozen=True, kw_only=True)
class LandingFolder:
    """A source of files. Feeds are folders, named after the bronze tables of the use case.

    Attributes:
        folder: The landing folder, below that of the environment (`landing_root`); an absolute one is taken as it is.
        use_case: Whose contracts the files must keep.
        null_values: Texts that stand for "missing" in a CSV.
        is_history: Whether, at an instant before a file was there, its rows count that were known by then: a replay goes through
            the history that a file holds. Left out, a file that was not there yet delivers nothing.
        complete: Adds columns that a file may leave out; given the rows as they were read (of a CSV as text) and the instant (UTC) at
            which the file arrived.
    """

    folder: Path
    use_case: str
    null_values: tuple[str, ...] = ("",)
    is_history: bool = False
    complete: Callable[[pl.DataFrame, datetime], pl.DataFrame] | None = None

    def within(self, settings: Settings) -> "LandingFolder":
        """The same below the landing folder of an environment."""
        return replace(self, folder=settings.landing / self.folder)

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """One delivery per finished file modified until `until` (UTC), oldest first.

        Files from before `after` are listed too: one that was copied with its old date would otherwise be lost. Those that were
        taken before are recognised by their batch, whose slice is the file's name, size and time: a changed file is a new one.

        Raises:
            SourceError: There is no landing folder, or a file in the feed's folder is neither CSV nor Parquet.
        """
        if not self.folder.is_dir():
            raise SourceError(f"landing folder {self.folder} does not exist; create it with one folder per feed, for example {feed}/")
        paths = [path for path in (self.folder / feed).glob("*") if path.is_file() and not _is_unfinished(path)]
        arrivals = sorted((_modified_at(path), path) for path in paths)
        whole = [self._deliver(feed, path, at) for at, path in arrivals if at <= until]
        history = [self._deliver(feed, path, at) for at, path in arrivals if at > until] if self.is_history else []
        return whole + [part for delivery in history if (part := _cut(delivery, after=after, until=until)) is not None]

    def _deliver(self, feed: str, path: Path, arrived_at: datetime) -> Delivery:
        if path.suffix not in (".csv", ".parquet"):
            raise SourceError(f"{path} is a {path.suffix or 'file without a suffix'}; expected .csv or .parquet: convert it, or move it away")
        schema = load_contract(f"bronze.{self.use_case}_{feed}").schema
        columns = {name: dtype for name, dtype in schema.items() if name not in SYSTEM_COLUMNS}
        read = partial(read_file, path, columns=columns, arrived_at=arrived_at, null_values=self.null_values, complete=self.complete)
        # Any byte may be in a file's name; quoting makes it a batch id's, and no two names one.
        name = quote(os.fsencode(path.name), safe="")
        slice_name = f"{name}@{format_instant(arrived_at)}-{path.stat().st_size}"
        parts = f"{slice_name}{_PART}" if self.is_history else None
        return Delivery(feed=feed, slice_name=slice_name, arrived_at=arrived_at, origin=f"{feed}/{name}", read=read, parts=parts)


def _cut(delivery: Delivery, *, after: datetime | None, until: datetime) -> Delivery | None:
    """The part of a file that was known in `after < known_at <= until` (UTC); None where that is no row."""
    known_at = pl.col(KNOWN_AT)
    rows = delivery.read().filter(known_at <= until, *([known_at > after] if after is not None else []))
    name = f"{delivery.slice_name}{_PART}{format_instant(until)}"
    return replace(delivery, slice_name=name, arrived_at=until, read=lambda: rows, parts=None) if rows.height else None


def read_file(
    path: Path,
    *,
    columns: Mapping[str, pl.DataType],
    arrived_at: datetime,
    null_values: Sequence[str] = ("",),
    complete: Callable[[pl.DataFrame, datetime], pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """Read one file as the contract promises it.

    Args:
        path: A `.csv` (UTF-8, comma, header) or `.parquet` file.
        columns: Name -> type. Order does not matter in the file; every name must be in it and no other.
        arrived_at: Stands in for `known_at` (UTC) where the file has none: what is not dated is known when it is there.
        null_values: Texts that stand for "missing" in a CSV.
        complete: Adds columns that the file may leave out.

    Returns:
        The rows, columns in the contract's order.

    Raises:
        SourceError: The file is empty, half-written or not UTF-8, or a column is missing, unknown or of another type. The
            message names columns and row numbers, never a value.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check that it is still there and may be read") from error
    if not content:
        raise SourceError(f"{path} is empty (0 bytes); expected {', '.join(columns)}: deliver it again, or remove it")
    is_csv = path.suffix == ".csv"
    rows = _parse_csv(content, path, null_values) if is_csv else _parse_parquet(content, path)
    if complete is not None:
        try:
            rows = complete(rows, arrived_at)
        except SourceError as error:
            raise SourceError(f"{path}: {error}") from error
    if KNOWN_AT in columns and KNOWN_AT not in rows.columns:
        rows = rows.with_columns(pl.lit(arrived_at, dtype=columns[KNOWN_AT]).alias(KNOWN_AT))
    _check_names(rows, columns, path)
    convert = _parse_text if is_csv else _widen
    typed = [convert(rows[name], dtype, path) if rows.schema[name] != dtype else rows[name] for name, dtype in columns.items()]
    return pl.DataFrame(typed)


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(_UNFINISHED_STARTS) or path.name.endswith(_UNFINISHED_ENDS)


def _modified_at(path: Path) -> datetime:
    return _EPOCH + timedelta(microseconds=path.stat().st_mtime_ns // 1000)


def _parse_csv(content: bytes, path: Path, null_values: Sequence[str]) -> pl.DataFrame:
    """All columns as text. Polars fills up a row that is too short, so the width of every row is counted first."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 text (byte {error.start}); export it as UTF-8") from error
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        width = len(next(lines))
        wrong = next(((number, len(line)) for number, line in enumerate(lines, start=1) if len(line) != width), None)
        if wrong is not None:
            raise SourceError(
                f"{path} has {wrong[1]} of {width} fields in data row {wrong[0]}; it was cut off, or a comma is not quoted: deliver it again"
            )
        return pl.read_csv(text.encode(), infer_schema=False, null_values=list(null_values))
    except (csv.Error, pl.exceptions.PolarsError):
        # Without its cause: Polars quotes the row it stopped at.
        reason = "it was cut off, or a quote is not closed"
        raise SourceError(f"{path} is not a CSV of comma-separated, quoted fields; {reason}: deliver it again") from None


def _parse_parquet(content: bytes, path: Path) -> pl.DataFrame:
    """Polars panics on some broken files, and a panic is no `Exception`."""
    try:
        return pl.read_parquet(content)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise SourceError(
            f"{path} is no complete Parquet file ({len(content)} bytes); it was cut off while it was written: deliver it again"
        ) from error


def _check_names(rows: pl.DataFrame, columns: Mapping[str, pl.DataType], path: Path) -> None:
    missing = [name for name in columns if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in columns]
    if missing or unknown:
        not_promised = f"{format_count(len(unknown), 'column')} not promised: {', '.join(unknown)}"
        findings = [f"{', '.join(missing)} is missing"] * bool(missing) + [not_promised] * bool(unknown)
        raise SourceError(
            f"{path} has other columns than its contract: {'; '.join(findings)}; expected {', '.join(columns)}. Correct the file or the contract"
        )


def _parse_text(column: pl.Series, dtype: pl.DataType, path: Path) -> pl.Series:
    """A column of text as the contract's type; what is not written exactly so is refused, not rounded or dropped."""
    parsed = column.to_frame().select(_parser(pl.col(column.name), dtype)).to_series()
    wrong = (parsed.is_null() & column.is_not_null()).arg_true()
    if wrong.len():
        raise SourceError(
            f"{path} column {column.name}: {wrong.len()} of {column.len()} values are not {_describe(dtype)} "
            f"(the first in data row {wrong[0] + 1}); correct them and deliver the file again"
        )
    return parsed


def _parser(text: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Null where the text is not of the type."""
    match dtype:
        case pl.Int64():
            return text.cast(pl.Int64, strict=False)
        case pl.Float64():
            number = text.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number).alias(text.meta.output_name())
        case pl.Boolean():
            return text.str.to_lowercase().replace_strict(["true", "false"], [True, False], default=None, return_dtype=pl.Boolean)
        case pl.Date():
            return text.str.to_date("%Y-%m-%d", strict=False)
        case pl.Binary():
            return pl.lit(None, pl.Binary).alias(text.meta.output_name())
        case pl.List():
            return pl.lit(None, dtype).alias(text.meta.output_name())
        case _:
            # Without an offset nobody knows which instant is meant.
            return text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _describe(dtype: pl.DataType) -> str:
    match dtype:
        case pl.Int64():
            return "int64 (digits only)"
        case pl.Float64():
            return "float64 (a finite number)"
        case pl.Boolean():
            return "bool (true or false)"
        case pl.Date():
            return "dates (2013-06-01)"
        case pl.Binary():
            return "bytes, which no CSV holds (Parquet does)"
        case pl.List():
            return "vectors, which no CSV holds (Parquet does)"
        case _:
            return "timestamps with their offset (2013-06-01T10:00:00Z)"


def _widen(column: pl.Series, dtype: pl.DataType, path: Path) -> pl.Series:
    """A Parquet column as the contract's type, where that loses nothing."""
    came = column.dtype
    is_instant = isinstance(came, pl.Datetime) and isinstance(dtype, pl.Datetime) and came.time_zone is not None and came.time_unit != "ns"
    if came == pl.Null or is_instant or came.base_type() in _WIDENED.get(dtype.base_type(), frozenset()):
        return column.cast(dtype)
    raise SourceError(f"{path} column {column.name} is {came}, expected {dtype}; write it as the contract promises and deliver the file again")
