"""Two windows of time against each other, by the measure that monitoring uses: what this says a window drifted, `make monitor` says too."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from headrace.monitoring import drift
from headrace.monitoring.recording import DRIFT_WINDOW
from headrace.monitoring.windows import EPOCH, Window
from headrace.use_case import UseCase


def choose_windows(instants: pl.Series) -> tuple[Window, Window]:
    """The newest four weeks (as monitoring compares) and those before; halves of a shorter span, and no rows at all of an empty one.

    Args:
        instants: When rows are about (UTC).

    Returns:
        `(current, reference)`, each `(start, end)` of whole UTC days with the end excluded.
    """
    first, last = (pl.Series([edge]).cast(pl.Date)[0] or EPOCH.date() for edge in (instants.min(), instants.max()))
    start, end = read_dates(first, last)
    length = timedelta(days=max(min(DRIFT_WINDOW.days, (end - start).days // 2), 1))
    return (end - length, end), (end - 2 * length, end - length)


def read_dates(first: date, last: date) -> Window:
    """The window of whole UTC days from one to another, both included."""
    start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
    return start, end + timedelta(days=1)


def name_dates(window: Window) -> tuple[date, date]:
    """First and last day of a window, both included."""
    start, end = window
    return start.date(), (end - timedelta(microseconds=1)).date()


def compare_windows(
    rows: pl.DataFrame, case: UseCase, *, time: str, current: Window, reference: Window, features: Sequence[str], seed: int
) -> pl.DataFrame:
    """Drift of features between two windows, the strongest first; what cannot be compared stands last, with the reason.

    Args:
        rows: Feature rows.
        case: Says which features are categories, how many rows are drawn on each side, and from which PSI on a feature has drifted.
        time: Column of the instant (UTC) that a row is about.
        current: Window that is asked about, the end excluded.
        reference: Window that it is compared with, the end excluded.
        features: Columns to compare.
        seed: Seed of the draw.

    Returns:
        As `headrace.monitoring.drift.measure_drift`. Grain: one row per feature.
    """
    # A key may be personal, and then it has been left out; features order rows as well.
    order = [name for name in (time, *case.features.key, *features) if name in rows.columns]
    limit, threshold = case.policy.drift_sample_rows, case.policy.drift_threshold
    samples = [drift.sample_rows(_within(rows, window, time), limit=limit, seed=seed, key=order) for window in (current, reference)]
    categorical = [name for name in features if name in case.features.categorical]
    numerical = [name for name in features if name not in categorical]
    measured = drift.measure_drift(*samples, numerical=numerical, categorical=categorical, threshold=threshold)
    return measured.sort("value", "feature", descending=[True, False], nulls_last=True)


def _within(rows: pl.DataFrame, window: Window, time: str) -> pl.DataFrame:
    return rows.filter(pl.col(time).is_between(*window, closed="left"))
