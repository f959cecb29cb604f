"""A person's table as typed columns: CSV, Parquet, JSON lines or a Delta table; what had to be assumed is said.

Text becomes numbers, flags, dates or instants only where every value is one. Names become lower case with underscores.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from headrace.errors import SourceError

INSTANT = pl.Datetime("us", "UTC")

# Texts that mean "missing" in exports of common tools.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")

# Pairs that mean yes and no, in lower case.
_FLAGS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))

_SEPARATORS = ",;\t|"

# Day first before month first: a column that fits both is noted.
_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y")
_AMBIGUOUS = ("%d/%m/%Y", "%m/%d/%Y")
_CLOCKS = ("%H:%M:%S%.f", "%H:%M")
_INSTANTS = tuple(f"{date}{gap}{clock}" for date in _DATES for gap in (" ", "T") for clock in _CLOCKS)

# A format that fits none of these is not tried on all of them.
_TRIED = 200

# Columns of the platform's own tables, which a column of a person's must not be taken for.
RESERVED = frozenset(
    [
        "known_at",
        "prediction_at",
        "refreshed_at",
        "label_known_at",
        "features_version",
        "feature_hash",
        "model_version",
        "model_id",
        "probability_fraction",
        "request_id",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was read.

    Attributes:
        rows: Columns by their new names: string, int64, float64, bool, date, or instants (UTC).
        names: New name -> name in the file.
        notes: What was assumed, one sentence each.
    """

    rows: pl.DataFrame
    names: Mapping[str, str]
    notes: Sequence[str]

    def find(self, name: str) -> str | None:
        """The new name of a column that is given by either name."""
        return next((new for new, old in self.names.items() if name in (old, new)), None)


def read_table(path: Path) -> Table:
    """Read a table and type its columns.

    Raises:
        SourceError: It is not there, of another kind, not UTF-8, cut off, or has no rows.
    """
    raw = _read(path)
    if not raw.height or not raw.width:
        raise SourceError(f"{path} has {raw.height} rows and {raw.width} columns; expected a table with a header and at least one row")
    names = _build_names(raw.columns)
    notes: list[str] = []
    columns = [_type_column(raw[old].alias(new), notes) for new, old in names.items()]
    renamed = [f"`{old}` is called {new}" for new, old in names.items() if old != new]
    if renamed:
        notes.insert(0, f"Column names are lower case with underscores: {', '.join(renamed[:6])}{' ...' if len(renamed) > 6 else ''}.")
    return Table(rows=pl.DataFrame(columns), names=names, notes=notes)


def _read(path: Path) -> pl.DataFrame:
    if (path / "_delta_log").is_dir():
        return pl.read_delta(str(path))
    if not path.is_file():
        raise SourceError(f"FROM={path} is neither a file nor a Delta table; name a .csv, .parquet or .jsonl file, or a folder with _delta_log")
    try:
        if path.suffix in (".csv", ".tsv", ".txt"):
            return _read_csv(path)
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix in (".jsonl", ".ndjson"):
            return pl.read_ndjson(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        # Without its cause: Polars quotes the row it stopped at.
        raise SourceError(f"{path} is no complete {path.suffix[1:]} file; it was cut off or is of another kind: export it again") from None
    raise SourceError(f"{path} is a {path.suffix or 'file without a suffix'}; expected .csv, .parquet, .jsonl or a Delta table: export it as one")


def _read_csv(path: Path) -> pl.DataFrame:
    """All columns as text; the separator is the one that the header has most of."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 text (byte {error.start}); export it as UTF-8, or convert it: iconv -f latin1 -t utf-8") from error
    if not text.strip():
        raise SourceError(f"{path} is empty; expected a header and at least one row: export it again")
    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        names = next(lines, [])
        wrong = next(((number, len(line)) for number, line in enumerate(lines, start=1) if len(line) != len(names)), None)
    except csv.Error as error:
        raise SourceError(f"{path} is not a CSV: a quote is not closed, or it was cut off; export it again") from error
    if wrong is not None:
        raise SourceError(f"{path} has {wrong[1]} of {len(names)} fields in data row {wrong[0]}; a separator is not quoted, or it was cut off")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{path} has the column {', '.join(repeated)} more than once; give each its own name")
    return pl.read_csv(text.encode(), separator=separator, infer_schema=False, null_values=list(MISSING))


def _build_names(columns: Sequence[str]) -> dict[str, str]:
    """New name -> old name, in order."""
    names: dict[str, str] = {}
    for old in columns:
        plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", old).lower()).strip("_") or "column"
        wanted = f"column_{plain}" if plain[0].isdigit() else f"{plain}_given" if plain in RESERVED else plain
        new = next(name for name in (wanted, *(f"{wanted}_{number}" for number in range(2, len(columns) + 2))) if name not in names)
        names[new] = old
    return names


def _type_column(column: pl.Series, notes: list[str]) -> pl.Series:
    kind = column.dtype
    if kind.is_integer():
        return column.cast(pl.Int64)
    if kind.is_float() or kind.is_decimal():
        return column.cast(pl.Float64).fill_nan(None)
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            notes.append(f"`{column.name}` has no time zone and is taken as UTC.")
            return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return column.cast(pl.Datetime("us", kind.time_zone)).dt.convert_time_zone("UTC")
    if kind in (pl.Boolean, pl.Date):
        return column
    if kind in (pl.Categorical, pl.Enum) or isinstance(kind, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if kind == pl.String:
        return _type_text(column, notes)
    if kind == pl.Null:
        return column.cast(pl.String)
    raise SourceError(f"column {column.name} is {kind}, which is no single value; flatten it into columns of its own before it is read")


def _type_text(column: pl.Series, notes: list[str]) -> pl.Series:
    """Numbers, flags, dates or instants where every value is one."""
    values = column.str.strip_chars()
    values = (
        values.to_frame().select(pl.when(pl.col(column.name).is_in(MISSING)).then(None).otherwise(pl.col(column.name)).alias(column.name)).to_series()
    )
    known = values.drop_nulls()
    if not known.len():
        return values
    for parse in (_parse_integers, _parse_numbers, _parse_flags):
        if (parsed := parse(values)) is not None:
            return parsed
    if (parsed := _parse_times(values, notes)) is not None:
        return parsed
    wrong = values.cast(pl.Float64, strict=False).null_count() - values.null_count()
    if 0 < wrong <= known.len() // 20:
        row = (values.cast(pl.Float64, strict=False).is_null() & values.is_not_null()).arg_true()[0] + 1
        notes.append(
            f"`{column.name}` stays text: {wrong} of {known.len()} values are no numbers (the first in row {row}); if they mean missing, empty them."
        )
    return values


def _parse_integers(values: pl.Series) -> pl.Series | None:
    # A number with a zero in front is a code: 007 is not 7.
    if values.str.contains(r"^-?0\d").any():
        return None
    return _whole(values.cast(pl.Int64, strict=False), values)


def _parse_numbers(values: pl.Series) -> pl.Series | None:
    if values.str.contains(r"^-?0\d").any():
        return None
    return _whole(values.cast(pl.Float64, strict=False), values)


def _parse_flags(values: pl.Series) -> pl.Series | None:
    lower = values.str.to_lowercase()
    found = set(lower.drop_nulls().unique())
    for yes, no in _FLAGS:
        if found == {yes, no}:
            return lower.replace_strict([yes, no], [True, False], default=None, return_dtype=pl.Boolean)
    return None


def _parse_times(values: pl.Series, notes: list[str]) -> pl.Series | None:
    some = values.drop_nulls().unique(maintain_order=True).head(_TRIED)
    if some.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False).null_count() == 0:
        return _whole(values.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False), values)
    fitting = [form for form in _DATES if _fits(some, form, is_date=True) and _fits(values, form, is_date=True)]
    if fitting:
        _note_order(values.name, fitting, notes)
        return values.str.to_date(fitting[0], strict=False)
    fitting = [form for form in _INSTANTS if _fits(some, form, is_date=False) and _fits(values, form, is_date=False)]
    if fitting:
        _note_order(values.name, fitting, notes)
        notes.append(f"`{values.name}` has no time zone and is taken as UTC.")
        return values.str.to_datetime(fitting[0], time_unit="us", strict=False).dt.replace_time_zone("UTC")
    return None


def _fits(values: pl.Series, form: str, *, is_date: bool) -> bool:
    parsed = values.str.to_date(form, strict=False) if is_date else values.str.to_datetime(form, time_unit="us", strict=False)
    return parsed.null_count() == values.null_count()


def _note_order(name: str, fitting: Sequence[str], notes: list[str]) -> None:
    if all(any(form.startswith(order) for form in fitting) for order in _AMBIGUOUS):
        notes.append(f"`{name}` reads as day/month/year and as month/day/year; day first was taken. Write dates as 2026-05-31 to be sure.")


def _whole(parsed: pl.Series, values: pl.Series) -> pl.Series | None:
    return parsed if parsed.null_count() == values.null_count() else None
