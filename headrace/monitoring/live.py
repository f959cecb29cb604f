"""Figures of what was served, window by window: what a kind of task watches is measured, held against the policy's bars, and kept as rows.

What is watched is the kind's to say (`Kind.watches`): each name is a module with `open_watch`. A window is measured once, when whatever
was logged in it has been drained; rows that come later than that are in their tables, and no figure counts them.
"""

import importlib
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from headrace.decisions import passed
from headrace.lake import runs, tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.contracts import load_contract
from headrace.lake.runs import Step
from headrace.models.kinds import load_kind
from headrace.monitoring.figures import Figure, build_frame, judge_figures
from headrace.monitoring.windows import Window, list_windows
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count

TABLE = "metrics.live_figures"

# A server closes a segment of its log after a minute and drains it within fifteen seconds.
SETTLING = timedelta(minutes=5)


class Watch(Protocol):
    """Something that is measured of each window."""

    def find_first(self) -> datetime | None:
        """Instant (UTC) of the first row that it could measure; None: there is none."""
        ...

    def measure(self, window: Window) -> list[Figure]:
        """The figures of a window, the same names whether or not it holds anything: what a bar may name is always there."""
        ...


def open_watches(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> list[Watch]:
    """What the kind of a use case watches, of what came after an instant (UTC; None: the first) and until `as_of`."""
    return [importlib.import_module(name).open_watch(settings, case, after=after, as_of=as_of) for name in load_kind(case.kind).watches]


def append_live_figures(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append the figures of every window of the policy's length that ended, and settled, since the last run and until `as_of` (UTC)."""
    last = runs.read_previous_end(settings, case.name, "monitor", before=as_of)
    # The window that was under way when the last run ended is measured now, from its begin.
    watches = open_watches(settings, case, after=None if last is None else last - case.policy.window - SETTLING, as_of=as_of)
    first = min((found for watch in watches if (found := watch.find_first()) is not None), default=None)
    if first is None:
        return Step(decision=passed("live_figures", "nothing was served yet"), rows_read=0, rows_written=0)
    windows = list_windows(first=first, after=last, until=as_of, length=case.policy.window, delay=SETTLING)
    written = sum(_append_window(settings, case, watches, window) for window in windows)
    return Step(decision=passed("live_figures", f"{format_count(len(windows), 'window')} measured"), rows_read=0, rows_written=written)


def publish_traces(settings: Settings, case: UseCase, *, now: datetime) -> int:
    """Publish the traces of served answers that have none yet, where the kind of task has traces; how many were published.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
    """
    module = load_kind(case.kind).traces
    return 0 if module is None else importlib.import_module(module).publish_traces(settings, case, now=now)


def _append_window(settings: Settings, case: UseCase, watches: list[Watch], window: Window) -> int:
    """Append a window's figures once; the number of rows that were written."""
    batch_id = build_batch_id("monitor", case.name, "--".join(map(format_instant, window)))
    if tables.is_written(settings, TABLE, batch_id=batch_id):
        # Measured by a run that died: what was drained since then counts no more for this window than it would have.
        return 0
    figures = judge_figures([figure for watch in watches for figure in watch.measure(window)], case.policy)
    if not any(figure.count for figure in figures):
        return 0
    start, end = (pl.lit(instant).cast(pl.Datetime("us", "UTC")) for instant in window)
    rows = build_frame(figures).with_columns(pl.lit(case.name).alias("use_case"), start.alias("window_start"), end.alias("window_end"))
    return tables.append(settings, TABLE, rows.select(list(load_contract(TABLE).schema)), batch_id=batch_id).rows
