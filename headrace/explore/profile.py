"""Profile of a table: what each column holds, beside what its contract says that it means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from headrace.explore.words import format_value
from headrace.lake.contracts import TYPES, Column, Contract

# Bars of a small distribution: narrow enough for a table's cell, enough to see two humps.
BIN_COUNT = 24

# Values of a text that are named.
TOP_COUNT = 5

# A distribution is drawn between these quantiles, and what lies outside counts for the outermost bars: one absurd value would
# otherwise press all others into the first.
_OUTER_QUANTILES = (0.005, 0.995)

_TYPE_WORDS = {str(dtype): word for word, dtype in TYPES.items()}

# The platform adds these to every bronze and silver row, so contracts do not repeat them.
_SYSTEM_MEANINGS = {
    "_ingested_at": "Instant at which the platform took the row in.",
    "_source": "Where the row came from.",
    "_batch_id": "The batch that wrote the row.",
}


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column of a table.

    Attributes:
        name: Its name.
        type_word: Its type in a contract's words.
        meaning: What the contract says of it; empty where it says nothing.
        unit: Its unit; empty for names and flags.
        null_count: Rows without a value (not-a-number counts as none).
        distinct_count: Different values.
        values: What is in it, in words: least, quartiles, greatest; or the most frequent values with their shares.
        bars: Counts of a small distribution, left to right; empty where there is nothing to draw.
        hints: What each bar counts.
    """

    name: str
    type_word: str
    meaning: str
    unit: str
    null_count: int
    distinct_count: int
    values: str
    bars: Sequence[int]
    hints: Sequence[str]


def measure_columns(rows: pl.DataFrame, contract: Contract | None) -> list[ColumnProfile]:
    """Profile every column of a frame, in its order.

    Args:
        rows: Rows of a table; personal columns have been left out before.
        contract: What the table promises, for meanings and units.
    """
    promised = contract.columns if contract else {}
    return [_measure_column(rows[name], promised.get(name)) for name in rows.columns]


def _measure_column(column: pl.Series, promise: Column | None) -> ColumnProfile:
    values = _drop_missing(column)
    words, counts = _describe(values)
    return ColumnProfile(
        name=column.name,
        type_word=_TYPE_WORDS.get(str(column.dtype), str(column.dtype).lower()),
        meaning=promise.description if promise else _SYSTEM_MEANINGS.get(column.name, ""),
        unit=(promise.unit or "") if promise else "",
        null_count=column.len() - values.len(),
        distinct_count=values.n_unique(),
        values=words,
        bars=list(counts.values()),
        hints=list(counts),
    )


def _drop_missing(column: pl.Series) -> pl.Series:
    """The values that are there; those that have an order are put in it, because every quantile would otherwise sort them again."""
    values = column.drop_nulls()
    values = values.filter(values.is_not_nan()) if values.dtype.is_float() else values
    return values.sort() if values.dtype.is_numeric() or values.dtype.is_temporal() else values


def _describe(values: pl.Series) -> tuple[str, Mapping[str, int]]:
    """What a column holds, in words and as a distribution (hint -> count)."""
    if values.is_empty():
        return "no value", {}
    if values.dtype.is_numeric():
        return _describe_numbers(values)
    if values.dtype.is_temporal():
        return _describe_instants(values)
    if values.dtype == pl.Binary:
        return _describe_sizes(values.bin.size()), {}
    if isinstance(values.dtype, pl.List):
        lengths = values.list.len()
        return f"vectors of {lengths.min()} to {lengths.max()} numbers", {}
    return _describe_names(values.cast(pl.String))


def _describe_numbers(values: pl.Series) -> tuple[str, Mapping[str, int]]:
    points = [values.quantile(share, "nearest") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    words = " · ".join(format_value(point) for point in points)
    if values.n_unique() > BIN_COUNT:
        return words, count_bins(values.cast(pl.Float64), format_value)
    counts = values.value_counts(name="count").sort(values.name).iter_rows()
    bars = {format_value(value): count for value, count in counts}
    return (words, bars) if len(bars) > 1 else (f"always {format_value(values[0])}", {})


def _describe_instants(values: pl.Series) -> tuple[str, Mapping[str, int]]:
    """First, middle and last; bins are counted in microseconds since 1970."""
    instants = values.cast(pl.Datetime("us")) if values.dtype == pl.Date else values
    words = " · ".join(format_value(values[place]) for place in (0, values.len() // 2, -1))
    return words, count_bins(instants.to_physical().cast(pl.Float64), _format_microseconds)


def _describe_sizes(sizes: pl.Series) -> str:
    """Bytes are described by how many there are: what they say is in no cell of a table."""
    return f"{format_value(sizes.min())} to {format_value(sizes.max())} bytes"


def _describe_names(values: pl.Series) -> tuple[str, Mapping[str, int]]:
    counts = values.value_counts(sort=True, name="count").sort("count", values.name, descending=[True, False])
    if counts.height == values.len() and counts.height > TOP_COUNT:
        return "every value differs", {}
    top = dict(counts.head(TOP_COUNT).iter_rows())
    words = " · ".join(f"{format_value(name)} {count / values.len():.0%}" for name, count in top.items())
    more = f" · {counts.height - TOP_COUNT:,} more" if counts.height > TOP_COUNT else ""
    return words + more, dict(counts.head(BIN_COUNT).iter_rows()) if counts.height > 1 else {}


def count_bins(values: pl.Series, write: Callable[[float], str]) -> dict[str, int]:
    """Counts in equal bins between the outer quantiles, by a hint that names the bin. Values that are all equal have none."""
    finite = values.filter(values.is_finite())
    low, high = (finite.quantile(share) for share in _OUTER_QUANTILES) if not finite.is_empty() else (None, None)
    if low is None or high is None or low >= high:
        return {}
    width = (high - low) / BIN_COUNT
    places = ((finite - low) / width).floor().clip(0, BIN_COUNT - 1).cast(pl.Int64)
    counts = dict(places.value_counts().iter_rows())
    return {f"{write(low + bin * width)} to {write(low + (bin + 1) * width)}": counts.get(bin, 0) for bin in range(BIN_COUNT)}


def _format_microseconds(value: float) -> str:
    return format_value(datetime.fromtimestamp(value / 1e6, tz=UTC))
