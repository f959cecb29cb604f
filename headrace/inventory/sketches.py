"""The shape of a column in a few figures: a histogram of numbers and instants, the commonest values of short texts.

A sketch shows nobody's data. Of a personal column, and of one that no contract describes, it has counts only; of texts, those
values that many rows share; everything else is a number of bars.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from headrace.lake.contracts import SYSTEM_COLUMNS, Contract

# Bars of a histogram, and values that are shown one by one.
BARS = 24
SHOWN_VALUES = 5

# Rows, and share of those with a value, that must have a text before it is shown.
SHARED_BY = 5
SHARED_FRACTION = 0.01

# Longer texts are sentences or JSON, in which anything may stand; so it may in short JSON, and an @ is mostly somebody's address.
_LONGEST_TEXT = 32
_TELLING = r"^\s*[\[{]|@"


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """The shape of one column in a sample.

    Attributes:
        row_count: Rows of the sample.
        null_count: Rows without a value.
        distinct_count: Different values, null left out.
        low: Least value as text; None: not shown.
        high: Greatest value as text.
        bars: Rows in each of equally wide bins from `low` to `high`; empty: not shown.
        values: Commonest values with their rows, commonest first; empty: not shown.
        hidden: Why no value is shown; None: they are.
    """

    row_count: int
    null_count: int
    distinct_count: int
    low: str | None = None
    high: str | None = None
    bars: tuple[int, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    hidden: str | None = None


def build_sketches(sample: pl.DataFrame, contract: Contract | None, *, personal: Collection[str]) -> dict[str, Sketch]:
    """A sketch of every column of a sample.

    Args:
        sample: Rows of a table.
        contract: What the table promises; None: nobody has said what is personal in it, so no value is shown.
        personal: Columns of which no value is shown.
    """
    known: Mapping[str, object] = {**(contract.columns if contract else {}), **SYSTEM_COLUMNS}
    hidden = {name: "no contract says what it holds" for name in sample.columns if name not in known}
    hidden |= {name: "personal" for name in sample.columns if name in personal}
    listed = {name: tuple(map(str, column.allowed)) for name, column in contract.columns.items() if column.allowed} if contract else {}
    return {name: build_sketch(sample[name], hidden=hidden.get(name), listed=listed.get(name, ())) for name in sample.columns}


def build_sketch(column: pl.Series, *, hidden: str | None = None, listed: Collection[str] = ()) -> Sketch:
    """The shape of one column.

    Args:
        column: Values of the sample.
        hidden: Why only counts are shown; None: values may be.
        listed: Values that its contract lists: of those a rare one is no secret.
    """
    values = column.drop_nulls()
    counts = Sketch(row_count=column.len(), null_count=column.null_count(), distinct_count=values.n_unique())
    if hidden or values.is_empty():
        return replace(counts, hidden=hidden or "no value")
    if values.dtype in (pl.String, pl.Boolean):
        if values.dtype == pl.String and not listed and (reason := _find_reason(values)):
            return replace(counts, hidden=reason)
        common = _find_common(values, listed)
        return replace(counts, values=common, hidden=None if common else "no value that many rows share")
    if values.dtype.is_numeric() or values.dtype.is_temporal():
        return _build_histogram(values, counts)
    return replace(counts, hidden=f"values of type {values.dtype}")


def _find_reason(values: pl.Series) -> str | None:
    """Why no text of a column is shown, though nobody called it personal: where one value tells more than a name, others may."""
    if (values.str.len_chars() > _LONGEST_TEXT).any():
        return "long texts"
    return "JSON or addresses" if values.str.contains(_TELLING).any() else None


def _find_common(values: pl.Series, listed: Collection[str]) -> tuple[tuple[str, int], ...]:
    """The commonest values that enough rows share or a contract lists, commonest first; of flags both."""
    counted = values.alias("value").value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
    if values.dtype == pl.String:
        is_shared = pl.col("rows") >= max(SHARED_BY, SHARED_FRACTION * values.len())
        counted = counted.filter(is_shared | pl.col("value").is_in(list(listed)))
    return tuple((_format(value), rows) for value, rows in counted.head(SHOWN_VALUES).iter_rows())


def _build_histogram(values: pl.Series, counts: Sketch) -> Sketch:
    places = values.to_physical().cast(pl.Float64).to_numpy()
    finite = np.isfinite(places)
    if not finite.any():
        return replace(counts, hidden="no finite value")
    kept = values.filter(pl.Series(finite))
    low, high = places[finite].min(), places[finite].max()
    # One value only is one bar: numpy would spread bins around it.
    bars = np.histogram(places[finite], bins=BARS, range=(low, high))[0] if high > low else np.array([finite.sum()])
    ends = [_format(end) for end in _shorten(kept.min(), kept.max())]
    return replace(counts, low=ends[0], high=ends[1], bars=tuple(int(bar) for bar in bars))


def _shorten(low: object, high: object) -> tuple[object, object]:
    """Both ends; as dates where instants lie so far apart that the hour says nothing."""
    if isinstance(low, datetime) and isinstance(high, datetime) and high - low > timedelta(days=2):
        return low.date(), high.date()
    return low, high


def _format(value: object) -> str:
    """A value as a person reads it: four digits of a number, the minute of an instant."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            instant = value.astimezone(UTC) if value.tzinfo else value
            return f"{instant:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case int():
            return str(value)
        case float():
            return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return str(value)
