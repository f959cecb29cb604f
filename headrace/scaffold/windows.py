"""Windows and ticks for a table with time: how long the holdout is, what is replayed, how long monitoring waits.

Everything is measured in rows first and then rounded to spans that people say: a week, a quarter, a year.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

# Spans that a person would choose.
_SPANS = (HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, *(days * DAY for days in (1, 2, 3, 7, 14, 28, 56, 91, 182, 364, 728, 1820)))

# Shares of the rows, oldest first, at which ticks lie: the first teaches the first model, the others replay what came then.
_TICKS = (0.6, 0.7, 0.8, 0.9, 1.0)

# Of the rows before the first tick, the newest fifth judges and the fifth before it tunes.
_PART = 0.2

# A bound over blocks wants ten; a third more leaves room for blocks without rows.
_BLOCKS = 14


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Spans and instants of a use case.

    Attributes:
        ticks: Instants (UTC) that a replay goes through, ascending.
        holdout: Length of the window that judges.
        validation: Length of the window that tunes.
        resample_by: Span whose rows are resampled together.
        window: Length of a performance window.
        between: Shortest time between two ticks.
    """

    ticks: Sequence[datetime]
    holdout: timedelta
    validation: timedelta
    resample_by: timedelta
    window: timedelta
    between: timedelta


def choose_windows(times: pl.Series) -> Windows:
    """Choose windows for rows at these instants (UTC, in any order, at least one)."""
    ordered = times.drop_nulls().sort()

    def at(share: float) -> datetime:
        return ordered[min(int(share * ordered.len()), ordered.len() - 1)]

    first = _TICKS[0]
    step = DAY if at(1.0) - at(0.0) >= 30 * DAY else HOUR
    ticks = sorted({_ceil(at(share), step) for share in _TICKS})
    holdout = _round_up(ticks[0] - at(first * (1 - _PART)), step)
    validation = _round_up(at(first * (1 - _PART)) - at(first * (1 - 2 * _PART)), step)
    between = min((later - earlier for earlier, later in itertools.pairwise(ticks)), default=holdout)
    return Windows(
        ticks=ticks,
        holdout=holdout,
        validation=validation,
        resample_by=_round_down(holdout / _BLOCKS),
        window=_round_down(between),
        between=between,
    )


def _ceil(instant: datetime, step: timedelta) -> datetime:
    """The first whole hour or day (UTC) after an instant: what happened at it is known then."""
    start = instant.replace(minute=0, second=0, microsecond=0)
    return (start.replace(hour=0) if step == DAY else start) + step


def _round_up(span: timedelta, step: timedelta) -> timedelta:
    return max(step, -(-span // step) * step)


def _round_down(span: timedelta) -> timedelta:
    return max((nice for nice in _SPANS if nice <= span), default=HOUR)
