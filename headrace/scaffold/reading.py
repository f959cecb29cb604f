"""A person's table as typed columns: CSV, Parquet, JSON lines or a Delta table; what had to be assumed is said.

Text becomes numbers, flags, dates or instants only where every value is one. Names become lower case with underscores.
"""

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
from deltalake.exceptions import DeltaError

from headrace.errors import SourceError
from headrace.models import kinds
from headrace.words import format_count

INSTANT = pl.Datetime("us", "UTC")

# Texts that mean "missing" in exports of common tools.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")

# Pairs that mean yes and no, in lower case.
FLAGS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))

# What a file may end with, in lower case.
_TEXTS, _JSON_LINES = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson")
_SUFFIXES = (*_TEXTS, *_JSON_LINES, ".parquet")

_SEPARATORS = ",;\t|"

# Day first before month first; which of the two was taken is noted where a value may be read either way.
_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%b %d, %Y")
_ORDERS = {"%d": "day first", "%m": "month first"}
_CLOCKS = ("%H:%M:%S%.f", "%H:%M")
_INSTANTS = tuple(f"{date}{gap}{clock}" for date in _DATES for gap in (" ", "T") for clock in _CLOCKS)

# A format that fits none of these is not tried on all of them.
_TRIED = 200

# A year before this was written with two digits, or is a stand-in for "unknown".
_FIRST_YEAR = 1000

# A whole number of so many digits may not fit into 64 bits: it is an id.
_LONG_NUMBER = r"^[-+]?\d{19,}$"

# 1,5 as much of the world writes it; three digits behind every comma may as well be thousands.
_DECIMAL_COMMA = r"^[-+]?\d+(,\d+)?$"
_THOUSANDS = r"^[-+]?\d{1,3}(,\d{3})*$"

# Longer names do not fit on a line of the files that are written.
_LONGEST_NAME = 40

# What to make of columns that hold something else, by the name of their Polars type.
_WAYS_OUT = {
    "Duration": "write it as a number, for example of minutes",
    "Time": "write it as a number, for example of minutes since midnight",
    "Binary": "leave it out of the export, or write it as text",
}

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
        "request_id",
        "forecast_id",
        "target_at",
        "target_hour",
        "target_weekday",
        "target_month",
        *(column for kind in kinds.fitted_names() for column in kinds.load_kind(kind).columns),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was read.

    Attributes:
        rows: Columns by their new names: string, int64, float64, bool, date, or instants (UTC).
        names: New name -> name in the file.
        notes: What was assumed, one sentence each.
        made: Columns that the file does not have: a made-up key or time.
    """

    rows: pl.DataFrame
    names: Mapping[str, str]
    notes: Sequence[str]
    made: tuple[str, ...] = ()

    def find(self, name: str) -> str | None:
        """The new name of a column that is given by either name; the file's own name counts first."""
        by_file = (new for new, old in self.names.items() if name == old)
        return next(by_file, name if name in self.names else None)


def read_table(path: Path) -> Table:
    """Read a table and type its columns.

    Raises:
        SourceError: It is not there, of another kind, not UTF-8, cut off, or has no rows.
    """
    raw = _read(path)
    if not raw.height or not raw.width:
        size = f"{format_count(raw.height, 'row')} and {format_count(raw.width, 'column')}"
        raise SourceError(f"{path} has {size}; expected a table with a header and at least one row")
    names = _build_names(raw.columns)
    notes: list[str] = []
    columns = [_type_column(raw[old].alias(new), notes) for new, old in names.items()]
    renamed = [f"`{show_name(old)}` is called {new}" for new, old in names.items() if old != new]
    if renamed:
        notes.insert(0, f"Column names are lower case with underscores: {', '.join(renamed[:6])}{' ...' if len(renamed) > 6 else ''}.")
    return Table(rows=pl.DataFrame(columns), names=names, notes=notes)


def _read(path: Path) -> pl.DataFrame:
    suffix = path.suffix.lower()
    try:
        is_delta = (path / "_delta_log").is_dir()
        if not is_delta and not path.is_file():
            _check_single(path)
            raise SourceError(f"FROM={path} is neither a file nor a Delta table; name a .csv, .parquet or .jsonl file, or a folder with _delta_log")
        if is_delta:
            return pl.read_delta(str(path))
        if suffix in _TEXTS:
            return _read_csv(path)
        if suffix == ".parquet":
            return pl.read_parquet(path.read_bytes())
        if suffix in _JSON_LINES:
            return pl.read_ndjson(path.read_bytes(), infer_schema_length=None)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or 'its storage failed'}; check that it is there and that you may read it"
        ) from error
    except DeltaError as error:
        raise SourceError(f"{path} has a _delta_log but is no Delta table that can be read; export it again, or name a .parquet file") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        # Without its cause: Polars quotes the row it stopped at.
        raise SourceError(f"{path} is no complete {suffix[1:] or 'Delta'} file; it was cut off or is of another kind: export it again") from None
    raise SourceError(f"{path} is a {path.suffix or 'file without a suffix'}; expected .csv, .parquet, .jsonl or a Delta table: export it as one")


def _check_single(path: Path) -> None:
    """Refuse what names several files: they may be parts of one table, or several tables."""
    is_folder = path.is_dir()
    names = [found.name for found in path.iterdir()] if is_folder else re.split(r"[,;\s]+", str(path))
    count = sum(Path(name).suffix.lower() in _SUFFIXES for name in names)
    if count > 1 or "*" in path.name:
        what = f"is a folder of {count} files" if is_folder else "names several files" if "*" in path.name else f"names {count} files"
        raise SourceError(
            f"FROM={path} {what}, and a use case is made from one table. Rows of one table: put them into one file, or type the command once per "
            "file, the later ones add their rows. Several tables: start from the one whose rows are predicted and join the others in time by hand, "
            "see docs/add-a-use-case.md, A second table"
        )


def _read_csv(path: Path) -> pl.DataFrame:
    """All columns as text; the separator is the one that the header has most of."""
    try:
        text = path.read_bytes().decode("utf-8-sig").rstrip("\r\n") + "\n"
    except UnicodeDecodeError as error:
        encoding = "utf-16" if error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "latin1"
        raise SourceError(
            f"{path} is not UTF-8 text (byte {error.start}); export it as UTF-8, or convert it: iconv -f {encoding} -t utf-8"
        ) from error
    if not text.strip():
        raise SourceError(f"{path} is empty; expected a header and at least one row: export it again")
    if "\n" not in text[:-1]:
        # As spreadsheets on old Macs end lines.
        text = text.replace("\r", "\n")
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
    if repeated := sorted({show_name(name) or "without a name" for name in names if names.count(name) > 1}):
        raise SourceError(f"{path} has the column {', '.join(repeated)} more than once; give each its own name")
    rows = pl.read_csv(text.encode(), separator=separator, infer_schema=False, null_values=list(MISSING))
    # Polars leaves a doubled quote in a name doubled.
    rows.columns = names
    return rows


def _build_names(columns: Sequence[str]) -> dict[str, str]:
    """New name -> old name, in order."""
    names: dict[str, str] = {}
    for old in columns:
        plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", old).lower()).strip("_") or "column"
        plain = plain[:_LONGEST_NAME].strip("_")
        wanted = f"column_{plain}" if plain[0].isdigit() else f"{plain}_given" if plain in RESERVED else plain
        new = next(name for name in (wanted, *(f"{wanted}_{number}" for number in range(2, len(columns) + 2))) if name not in names)
        names[new] = old
    return names


def _type_column(column: pl.Series, notes: list[str]) -> pl.Series:
    kind = column.dtype
    if kind.is_integer():
        return _type_integers(column, notes)
    if kind.is_float() or kind.is_decimal():
        return _type_floats(column.cast(pl.Float64), notes)
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            notes.append(f"`{column.name}` has no time zone and is taken as UTC.")
            return _drop_far(column, notes).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return _drop_far(column, notes).cast(pl.Datetime("us", kind.time_zone)).dt.convert_time_zone("UTC")
    if kind == pl.Date:
        return _drop_far(column, notes)
    if kind == pl.Boolean:
        return column
    if kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum):
        return _type_text(column.cast(pl.String), notes)
    if kind == pl.Null:
        return column.cast(pl.String)
    named = type(kind).__name__
    way_out = _WAYS_OUT.get(named, "it is no single value: flatten it into columns of its own before it is read")
    raise SourceError(f"column {column.name} is {named}, expected text, numbers, yes and no, dates or instants; {way_out}")


def _drop_far(column: pl.Series, notes: list[str]) -> pl.Series:
    """Dates or instants of years that a date can have (1 to 9999); others are missing, which is said."""
    is_far = column.dt.year().is_between(1, 9999).not_().fill_null(True) & column.is_not_null()
    if is_far.any():
        notes.append(f"`{column.name}` lies in no year from 1 to 9999 in {format_count(int(is_far.sum()), 'row')}; there it is taken as missing.")
    return column.set(is_far, None)


def _type_integers(column: pl.Series, notes: list[str]) -> pl.Series:
    """int64, or text where a value does not fit: such numbers are ids, and a rounded id is another one."""
    whole = column.cast(pl.Int64, strict=False)
    if whole.null_count() == column.null_count():
        return whole
    notes.append(f"`{column.name}` has numbers too large for int64 and is taken as text.")
    return column.cast(pl.String)


def _type_floats(column: pl.Series, notes: list[str]) -> pl.Series:
    """float64 whose values are all finite: not a number is missing, and so is an infinite one, which is said."""
    infinite = column.is_infinite().sum()
    if infinite:
        notes.append(f"`{column.name}` is infinite in {format_count(int(infinite), 'row')}; there it is taken as missing.")
    return column.set(column.is_finite().not_().fill_null(False), None)


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
            return _type_floats(parsed, notes) if parsed.dtype == pl.Float64 else parsed
    if known.str.contains(",", literal=True).any() and known.str.contains(_DECIMAL_COMMA).all() and not known.str.contains(_THOUSANDS).all():
        notes.append(f"`{values.name}` is read with a decimal comma: 1,5 is one and a half.")
        return values.str.replace(",", ".", literal=True).cast(pl.Float64)
    if (parsed := _parse_times(values, notes)) is not None:
        return parsed
    wrong = values.cast(pl.Float64, strict=False).null_count() - values.null_count()
    if 0 < wrong <= known.len() // 20:
        row = (values.cast(pl.Float64, strict=False).is_null() & values.is_not_null()).arg_true()[0] + 1
        notes.append(
            f"`{column.name}` stays text: {wrong} of {known.len():,} values cannot be read as a number (the first in row {row}); "
            "if such a value means missing, empty it."
        )
    return values


def _parse_integers(values: pl.Series) -> pl.Series | None:
    # A number with a zero in front is a code: 007 is not 7.
    if values.str.contains(r"^-?0\d").any():
        return None
    return _whole(values.cast(pl.Int64, strict=False), values)


def _parse_numbers(values: pl.Series) -> pl.Series | None:
    if values.str.contains(r"^-?0\d").any() or values.str.contains(_LONG_NUMBER).any():
        return None
    return _whole(values.cast(pl.Float64, strict=False), values)


def _parse_flags(values: pl.Series) -> pl.Series | None:
    lower = values.str.to_lowercase()
    found = set(lower.drop_nulls().unique())
    for yes, no in FLAGS:
        if found == {yes, no}:
            return lower.replace_strict([yes, no], [True, False], default=None, return_dtype=pl.Boolean)
    return None


def _parse_times(values: pl.Series, notes: list[str]) -> pl.Series | None:
    some = values.drop_nulls().unique(maintain_order=True).head(_TRIED)
    if some.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False).null_count() == 0:
        return _whole(values.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False), values)
    form = next((form for form in _DATES if _fits(some, form, is_date=True) and _fits(values, form, is_date=True)), None)
    if form is not None:
        notes += _note_order(values, form, is_date=True)
        return values.str.to_date(form, strict=False)
    form = next((form for form in _INSTANTS if _fits(some, form, is_date=False) and _fits(values, form, is_date=False)), None)
    if form is not None:
        notes += _note_order(values, form, is_date=False)
        notes.append(f"`{values.name}` has no time zone and is taken as UTC.")
        return values.str.to_datetime(form, time_unit="us", strict=False).dt.replace_time_zone("UTC")
    return None


def _fits(values: pl.Series, form: str, *, is_date: bool) -> bool:
    parsed = values.str.to_date(form, strict=False) if is_date else values.str.to_datetime(form, time_unit="us", strict=False)
    return parsed.null_count() == values.null_count() and not (parsed.dt.year() < _FIRST_YEAR).any()


def show_name(name: str) -> str:
    """A name from a file as it may stand on a screen: on one line, without control characters, not longer than a line."""
    return "".join(letter if letter.isprintable() else " " for letter in name)[:60]


def _note_order(values: pl.Series, form: str, *, is_date: bool) -> list[str]:
    """Which order of day and month was taken, where every value has another one too, or the month stands first."""
    order, swapped = _ORDERS.get(form[:2]), form.translate(str.maketrans("dm", "md"))
    if order is None or "%b" in form:
        return []
    if _fits(values, swapped, is_date=is_date):
        why = "every value can be read day first and month first"
    elif order == "month first":
        why = "some values can be read so only"
    else:
        return []
    return [f"`{values.name}` was read {order}, so {date(2026, 5, 4):{form[:8]}} is 4 May: {why}. If that is wrong, write dates as 2026-05-04."]


def _whole(parsed: pl.Series, values: pl.Series) -> pl.Series | None:
    return parsed if parsed.null_count() == values.null_count() else None
