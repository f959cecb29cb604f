"""Labels: over time, and against a feature. A label may be 0 or 1, a number, or a name; what is measured of it follows from that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from headrace.explore.words import format_value

LabelKind = Literal["binary", "number", "classes"]
Every = Literal["1h", "1d", "1w", "1mo"]

# A period in words, and in Polars' own.
PERIODS: Mapping[str, Every] = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}
PERIOD_NAMES: Mapping[Every, str] = {every: name for name, every in PERIODS.items()}

# Names of what is measured, which are also names of columns.
SHARE, MEAN, LOW, MEDIAN, HIGH, OTHERS = "share of ones", "mean", "10 % quantile", "median", "90 % quantile", "other classes"

# More lines than this nobody tells apart.
CLASSES_SHOWN = 6

# Groups of a category beyond this are counted together.
CATEGORIES_SHOWN = 20
MISSING = "no value"

# What a use case declares, where it does; otherwise the values say.
_DECLARED: Mapping[str, LabelKind] = {"binary": "binary", "multiclass": "classes", "regression": "number", "forecast": "number"}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A label, measured in groups of rows.

    Attributes:
        kind: What the label is.
        groups: `group` (words) or `period_start`, `row_count`, `label_count`, and one column per measure, null where no label is known.
        overall: The same measures of all rows.
    """

    kind: LabelKind
    groups: pl.DataFrame
    overall: Mapping[str, float | None]

    @property
    def measures(self) -> list[str]:
        """Names of what was measured."""
        return list(self.overall)

    @property
    def is_share(self) -> bool:
        """Whether the measures are shares from 0 to 1."""
        return self.kind != "number"


def find_label_kind(labels: pl.Series, *, declared: str = "") -> LabelKind:
    """What a label is: names are classes, numbers are what the use case declares, or else what their values say."""
    if not labels.dtype.is_numeric():
        return "classes"
    is_binary = bool(labels.drop_nulls().cast(pl.Float64).is_in([0.0, 1.0]).all())
    kind = _DECLARED.get(declared, "binary")
    return ("binary" if is_binary else "number") if kind == "binary" else kind


def choose_period(instants: pl.Series) -> Every:
    """The period by which a span of instants has some ten to sixty points; a week where there are none."""
    first, last = instants.min(), instants.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return "1w"
    bounds: list[tuple[timedelta, Every]] = [(timedelta(days=2), "1h"), (timedelta(days=60), "1d"), (timedelta(days=420), "1w")]
    return next((every for bound, every in bounds if last - first <= bound), "1mo")


def measure_over_time(rows: pl.DataFrame, *, label: str, time: str, every: Every, declared: str = "") -> Measured:
    """A label in every period that has a row, oldest first.

    Args:
        rows: Labelled rows.
        label: Column of the label.
        time: Column of the instant (UTC) that a row is about.
        every: Length of a period; weeks begin on Mondays.
        declared: The use case's kind.
    """
    periods = rows.with_columns(pl.col(time).dt.truncate(every).alias("period_start"))
    return _measure(periods, by="period_start", label=label, declared=declared)


def measure_by_feature(rows: pl.DataFrame, *, label: str, feature: str, group_count: int, declared: str = "") -> Measured:
    """A label in groups of a feature: a number by its quantiles, a category by its values; rows without a value are a group of their own.

    Args:
        rows: Labelled rows.
        label: Column of the label.
        feature: Column of the feature.
        group_count: Groups of a number; fewer where many rows have the same value.
        declared: The use case's kind.
    """
    named = rows.with_columns(group_values(rows[feature], group_count=group_count).alias("group"))
    return _measure(named, by="group", label=label, declared=declared)


def group_values(values: pl.Series, *, group_count: int) -> pl.Series:
    """The group of each value as an ordered enum of words."""
    known = values.fill_nan(None) if values.dtype.is_float() else values if values.dtype.is_numeric() else values.cast(pl.String)
    names = _group_numbers(known, group_count) if known.dtype.is_numeric() else _group_names(known)
    order = pl.Enum(list(dict.fromkeys([*names.values(), MISSING])))
    old = pl.Series(list(names), dtype=known.dtype)
    return known.replace_strict(old, pl.Series(list(names.values()), dtype=order), default=MISSING, return_dtype=order)


def _group_numbers(values: pl.Series, group_count: int) -> dict[object, str]:
    """Each different number with the words of its group, ascending."""
    distinct = values.drop_nulls().unique().sort()
    if distinct.len() <= group_count:
        return {value: format_value(value) for value in distinct}
    bounds = pl.Series([values.quantile(number / group_count, "lower") for number in range(1, group_count)], dtype=distinct.dtype).unique().sort()
    places = bounds.search_sorted(distinct, side="left")
    spans = pl.DataFrame({"value": distinct, "place": places}).with_columns(
        pl.col("value").min().over("place").alias("low"), pl.col("value").max().over("place").alias("high")
    )
    return {value: _name_span(low, high) for value, low, high in spans.select("value", "low", "high").iter_rows()}


def _name_span(low: object, high: object) -> str:
    return format_value(low) if low == high else f"{format_value(low)} to {format_value(high)}"


def _group_names(values: pl.Series) -> dict[object, str]:
    """Each different name with itself, the most frequent first; rare ones together at the end."""
    counts = values.drop_nulls().value_counts(sort=True, name="count").sort("count", values.name, descending=[True, False])
    names = counts[values.name].to_list()
    rest = len(names) - CATEGORIES_SHOWN
    return {name: format_value(name) if place < CATEGORIES_SHOWN else f"{rest:,} others" for place, name in enumerate(names)}


def _measure(rows: pl.DataFrame, *, by: str, label: str, declared: str) -> Measured:
    kind = find_label_kind(rows[label], declared=declared)
    measures = _build_measures(rows[label], kind)
    counts = (pl.len().cast(pl.Int64).alias("row_count"), pl.col(label).is_not_null().sum().cast(pl.Int64).alias("label_count"))
    groups = rows.group_by(by).agg(*counts, *measures).sort(by)
    return Measured(kind=kind, groups=groups, overall=rows.select(measures).row(0, named=True) if measures else {})


def _build_measures(labels: pl.Series, kind: LabelKind) -> Sequence[pl.Expr]:
    value = pl.col(labels.name)
    if kind == "binary":
        return [value.mean().alias(SHARE)]
    if kind == "number":
        return [
            value.quantile(0.1, "linear").alias(LOW),
            value.median().alias(MEDIAN),
            value.mean().alias(MEAN),
            value.quantile(0.9, "linear").alias(HIGH),
        ]
    names = value.cast(pl.String)
    counts = labels.cast(pl.String).drop_nulls().value_counts(sort=True, name="count").sort("count", labels.name, descending=[True, False])
    shown = counts[labels.name].head(CLASSES_SHOWN).to_list()
    rest = [names.is_in(shown).not_().mean().alias(OTHERS)] if counts.height > CLASSES_SHOWN else []
    return [*((names == name).mean().alias(name) for name in shown), *rest]
