"""Windows that crossed a bar of the policy: what is worth waking somebody for, read off the rows that monitoring has written.

One window is a reason to look, not to train: `retrain` asks whether it lasted.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from headrace.lake import runs, tables
from headrace.lake.batches import format_instant
from headrace.models.candidate import METRICS, read_json
from headrace.monitoring import drift, performance
from headrace.monitoring.recording import DRIFT, PERFORMANCE
from headrace.monitoring.windows import Window
from headrace.registry import versions
from headrace.settings import Settings
from headrace.use_case import UseCase


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One window that crossed a bar.

    Attributes:
        kind: Which bar.
        window: Its begin and end (UTC), as text: `2013-05-06T00:00:00Z--2013-05-20T00:00:00Z`.
    """

    kind: Literal["performance", "drift"]
    window: str


def find_breaches(settings: Settings, case: UseCase, *, as_of: datetime) -> list[Breach]:
    """Breaches of the windows that became complete since the last finished run of `monitor` and until `as_of` (UTC), oldest first.

    A run that was killed before it finished finds the same ones again.
    """
    after = runs.read_previous_end(settings, case.name, "monitor", before=as_of)
    dropped = _find_drops(settings, case, after=after, as_of=as_of)
    drifted = _find_drifts(settings, case, after=after, as_of=as_of)
    found = [Breach(kind="performance", window=_name(window)) for window in dropped]
    return found + [Breach(kind="drift", window=_name(window)) for window in drifted]


def _find_drops(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> list[Window]:
    """Windows in which a version was worse than on its own holdout by the policy's bar, or more."""
    is_watched = (pl.col("slice_column") == performance.ALL) & (pl.col("metric") == case.policy.performance_metric)
    ends = pl.col("window_end") + case.label.matures_after
    rows = _read_new(settings, case, PERFORMANCE, ends, after=after, as_of=as_of).filter(is_watched)
    windows = []
    for row in rows.iter_rows(named=True):
        folder = versions.candidate_folder(settings, versions.read(settings, case, number=row["model_version"]))
        reference = read_json(folder / METRICS).get(case.policy.performance_metric.replace("live/", "holdout/"))
        value = row["value"]
        if value is None or reference is None or not math.isfinite(value) or not math.isfinite(reference):
            # `retrain` names what cannot be judged; it is no drop.
            continue
        if value - reference >= case.policy.max_performance_drop:
            windows.append((row["window_start"], row["window_end"]))
    return sorted(set(windows))


def _find_drifts(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> list[Window]:
    """Windows in which the policy's share of features drifted, or more."""
    is_watched = (pl.col("view") == case.policy.drift_view) & (pl.col("feature") != drift.PREDICTION)
    rows = _read_new(settings, case, DRIFT, pl.col("window_end"), after=after, as_of=as_of).filter(is_watched)
    windows = []
    for part in rows.partition_by("window_start", "window_end", maintain_order=True):
        share = drift.measure_drifted_fraction(part, bar=case.policy.max_drifted_fraction)
        if share is not None and share >= case.policy.max_drifted_fraction:
            windows.append((part["window_start"][0], part["window_end"][0]))
    return windows


def _read_new(settings: Settings, case: UseCase, table: str, ends: pl.Expr, *, after: datetime | None, as_of: datetime) -> pl.DataFrame:
    """The table's rows of windows that were complete at `ends`, in `after < ends <= as_of`, by window."""
    is_new = (pl.col("use_case") == case.name) & (ends <= as_of) & (pl.lit(True) if after is None else ends > after)
    return tables.read(settings, table).filter(is_new).sort("window_start", "window_end").collect()


def _name(window: Window) -> str:
    return "--".join(map(format_instant, window))
