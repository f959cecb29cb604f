"""What views compute with: rolling counts, sums and means, and the latest known value.

All of them look at rows known in `(at - window, at]` and at no other, whatever history they are given. Sums are kept in
integers: the difference of two cumulative integer sums is exact, so a training set computed over a year and an online
store computed over four weeks hold the same bits.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

from headrace.features.point_in_time import join_as_of
from headrace.features.views import REFRESHED_AT

KNOWN_AT = "known_at"


def rolling_sums(
    spine: pl.DataFrame,
    events: pl.DataFrame,
    *,
    by: Sequence[str],
    sums: Mapping[str, pl.Expr],
    window: timedelta,
    at: str = REFRESHED_AT,
    known: str = KNOWN_AT,
) -> pl.DataFrame:
    """Add sums over the events of a spine row's key that became known in `(at - window, at]`.

    Args:
        spine: One row per entity and instant.
        events: One row per event, any order.
        by: Columns of the key in both frames. A null key has no events.
        sums: New column -> expression over `events`, integer or boolean; nulls count as 0. `pl.lit(1)` counts events.
        window: Length of the window.
        at: Instant of a spine row (UTC).
        known: Instant an event became known (UTC).

    Returns:
        `spine` and one int64 column per sum, 0 where there was no event. Same rows, same order.

    Raises:
        TypeError: An expression gives other than integers or booleans, whose sums would depend on their order.
    """
    names = list(sums)
    running = _running_sums(events, by=by, sums=sums, known=known)
    now, before = [f"_{name}_now" for name in names], [f"_{name}_before" for name in names]
    joined = join_as_of(spine, running.rename(dict(zip(names, now, strict=True))), by=by, at=at, known=known)
    joined = joined.with_columns((pl.col(at) - window).alias("_start"))
    joined = join_as_of(joined, running.rename(dict(zip(names, before, strict=True))), by=by, at="_start", known=known)
    differences = [(pl.col(end).fill_null(0) - pl.col(start).fill_null(0)).alias(name) for name, end, start in zip(names, now, before, strict=True)]
    return joined.select(*spine.columns, *differences)


def rolling_means(
    spine: pl.DataFrame,
    events: pl.DataFrame,
    *,
    by: Sequence[str],
    means: Mapping[str, pl.Expr],
    window: timedelta,
    count: str | None = None,
    at: str = REFRESHED_AT,
    known: str = KNOWN_AT,
) -> pl.DataFrame:
    """Add means over the events of a spine row's key that became known in `(at - window, at]`.

    Args:
        spine: See `rolling_sums`; `events`, `by`, `window`, `at` and `known` too.
        means: New column -> expression over `events`, integer or boolean; nulls are left out of the mean.
        count: New column for the number of events, whatever their values; None: not added.

    Returns:
        `spine` and float64 columns: the means (null where no event had a value), then the count. Same rows, same order.
    """
    totals = {f"_{name}_sum": value for name, value in means.items()}
    counts = {f"_{name}_count": value.is_not_null() for name, value in means.items()}
    counts |= {f"_{count}": pl.lit(True)} if count else {}
    summed = rolling_sums(spine, events, by=by, sums=totals | counts, window=window, at=at, known=known)
    columns = [pl.when(pl.col(f"_{name}_count") > 0).then(pl.col(f"_{name}_sum") / pl.col(f"_{name}_count")).alias(name) for name in means]
    columns += [pl.col(f"_{count}").cast(pl.Float64).alias(count)] if count else []
    return summed.select(*spine.columns, *columns)


def latest(
    spine: pl.DataFrame,
    events: pl.DataFrame,
    *,
    by: Sequence[str],
    values: Mapping[str, pl.Expr],
    tolerance: timedelta,
    at: str = REFRESHED_AT,
    known: str = KNOWN_AT,
) -> pl.DataFrame:
    """Add values of the newest event of a spine row's key, known at `at` and at most `tolerance` old.

    The newest event counts even where its value is null: an older value is no longer what is known.

    Args:
        spine: See `rolling_sums`; `events`, `by`, `at` and `known` too.
        values: New column -> expression over `events`.
        tolerance: Greatest age of the event (`at - known <= tolerance`).

    Returns:
        `spine` and the values as float64, null where nothing is known. Same rows, same order.
    """
    columns = [value.cast(pl.Float64).alias(name) for name, value in values.items()]
    return join_as_of(spine, events.select(*by, known, *columns), by=by, at=at, known=known, tolerance=tolerance)


def _running_sums(events: pl.DataFrame, *, by: Sequence[str], sums: Mapping[str, pl.Expr], known: str) -> pl.DataFrame:
    """One row per key and instant: the sums over all events of the key known by then."""
    valued = events.select(*by, known, *(value.alias(name) for name, value in sums.items())).drop_nulls([*by, known])
    for name in sums:
        dtype = valued.schema[name]
        if not (dtype.is_integer() or dtype == pl.Boolean):
            raise TypeError(f"sum {name!r} is over {dtype}; exact sums need integers: scale the value and cast it to pl.Int64")
    totals = valued.group_by(*by, known).agg(pl.col(name).cast(pl.Int64).sum() for name in sums)
    return totals.sort(known).with_columns(pl.col(name).cum_sum().over(list(by)) for name in sums)
