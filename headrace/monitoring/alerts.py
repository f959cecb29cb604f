"""Windows that crossed a bar of the policy: what is worth waking somebody for, read off the rows that monitoring has written, kept as rows.

One window is a reason to look, not to train: `retrain` asks whether it lasted. A bar of the service that could not be held against a
window in which something was served is an alert too: nobody may take silence for health.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from headrace.lake import runs, tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.models.candidate import METRICS, read_json
from headrace.models.slices import ALL
from headrace.monitoring import drift, live
from headrace.monitoring.figures import Figure
from headrace.monitoring.recording import DRIFT, PERFORMANCE
from headrace.monitoring.windows import Window
from headrace.registry import versions
from headrace.settings import Settings
from headrace.use_case import UseCase

TABLE = "metrics.alerts"

Kind = Literal["performance", "drift", "service", "unmeasured"]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One window that crossed a bar, or a bar that could not be held against it.

    Attributes:
        kind: Which bar.
        figure: What is watched.
        window: Its begin and end (UTC).
        value: What was measured; None: it could not be.
        bar: The policy's bar; None: it has two ends, or cannot be found.
        reason: What happened, in a sentence.
    """

    kind: Kind
    figure: str
    window: Window
    value: float | None
    bar: float | None
    reason: str

    @property
    def name(self) -> str:
        """Its window as text, `2013-05-06T00:00:00Z--2013-05-20T00:00:00Z`; led by the figure, where one kind watches several."""
        span = "--".join(map(format_instant, self.window))
        return span if self.kind in ("performance", "drift") else f"{self.figure}--{span}"


def append_alerts(settings: Settings, case: UseCase, *, as_of: datetime) -> list[Alert]:
    """Append the alerts of the windows that became complete since the last finished run of `monitor` and until `as_of` (UTC), each once.

    Returns:
        Those alerts, oldest window first within each kind; a run that was killed before it finished finds the same ones again.
    """
    found = find_alerts(settings, case, as_of=as_of)
    for alert in found:
        row = {
            "use_case": case.name,
            "alert": alert.kind,
            "figure": alert.figure,
            "window_start": alert.window[0],
            "window_end": alert.window[1],
            "value": alert.value,
            "bar": alert.bar,
            "reason": alert.reason,
        }
        batch_id = build_batch_id("monitor", case.name, f"{alert.kind}-{alert.name}")
        tables.append(settings, TABLE, runs.build_row(TABLE, row), batch_id=batch_id)
    return found


def find_alerts(settings: Settings, case: UseCase, *, as_of: datetime) -> list[Alert]:
    """What `append_alerts` appends."""
    after = runs.read_previous_end(settings, case.name, "monitor", before=as_of)
    found = [_find_drops, _find_drifts, _find_breaches]
    return [alert for find in found for alert in sorted(find(settings, case, after=after, as_of=as_of), key=lambda alert: alert.window)]


def _find_drops(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> Iterator[Alert]:
    """Windows in which a version was worse than on its own holdout by the policy's bar, or more; of several versions, the worst."""
    watched, most = case.policy.performance_metric, case.policy.max_performance_drop
    is_watched = (pl.col("slice_column") == ALL) & (pl.col("metric") == watched)
    rows = _read_new(settings, case, PERFORMANCE, pl.col("window_end") + case.label.matures_after, after=after, as_of=as_of).filter(is_watched)
    for part in rows.partition_by("window_start", "window_end", maintain_order=True):
        drops = []
        for row in part.iter_rows(named=True):
            folder = versions.candidate_folder(settings, versions.read(settings, case, number=row["model_version"]))
            reference, value = read_json(folder / METRICS).get(watched.replace("live/", "holdout/")), row["value"]
            # `retrain` names what cannot be judged; it is no drop.
            if value is not None and reference is not None and math.isfinite(value) and math.isfinite(reference):
                drops.append((value - reference, value, reference, row["model_version"]))
        drop, value, reference, version = max(drops, default=(-math.inf, 0.0, 0.0, 0))
        if drop >= most:
            said = f"{watched} of version {version} was {value:.4f}, {drop:+.4f} against its holdout's {reference:.4f}; {most:+.4f} is the bar"
            yield Alert(kind="performance", figure=watched, window=_window(part), value=value, bar=reference + most, reason=said)


def _find_drifts(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> Iterator[Alert]:
    """Windows in which the policy's share of features drifted, or more."""
    bar = case.policy.max_drifted_fraction
    is_watched = (pl.col("view") == case.policy.drift_view) & (pl.col("feature") != drift.PREDICTION)
    rows = _read_new(settings, case, DRIFT, pl.col("window_end"), after=after, as_of=as_of).filter(is_watched)
    for part in rows.partition_by("window_start", "window_end", maintain_order=True):
        share = drift.measure_drifted_fraction(part, bar=bar)
        if share is not None and share >= bar:
            names = ", ".join(part.filter("is_drifted").sort("value", descending=True)["feature"].head(5))
            said = f"{share:.0%} of the features drifted ({case.policy.drift_view} view), {bar:.0%} is the bar: {names or 'none of them'}"
            yield Alert(kind="drift", figure="drifted_fraction", window=_window(part), value=share, bar=bar, reason=said)


def _find_breaches(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> Iterator[Alert]:
    """Figures of the service that lay beyond their bar, and bars for which there is no figure although something was served."""
    rows = _read_new(settings, case, live.TABLE, pl.col("window_end") + live.SETTLING, after=after, as_of=as_of)
    for row in rows.filter(pl.col("slice_column") == ALL).sort("window_start", "figure").iter_rows(named=True):
        figure = Figure(name=row["figure"], value=row["value"], count=row["row_count"], least=row["least"], most=row["most"], is_kept=row["is_kept"])
        window = (row["window_start"], row["window_end"])
        if figure.has_bar and figure.value is None and figure.count >= case.policy.min_live_rows:
            said = f"{figure.name} has a bar and cannot be measured over {figure.count:,} rows: {row['reason']}"
            yield Alert(kind="unmeasured", figure=figure.name, window=window, value=None, bar=_find_crossed(figure), reason=said)
        elif figure.is_kept is False:
            bar = _find_crossed(figure)
            side = "at least" if bar == figure.least else "at most"
            more = f": {row['reason']}" if row["reason"] else ""
            said = f"{figure.name} was {figure.value:.4g} over {figure.count:,} rows, {side} {bar:.4g} is the bar{more}"
            yield Alert(kind="service", figure=figure.name, window=window, value=figure.value, bar=bar, reason=said)


def _find_crossed(figure: Figure) -> float | None:
    """The end of a bar that a value lies beyond, or the only one."""
    if figure.least is not None and (figure.most is None or (figure.value is not None and figure.value < figure.least)):
        return figure.least
    return figure.most


def _read_new(settings: Settings, case: UseCase, table: str, ends: pl.Expr, *, after: datetime | None, as_of: datetime) -> pl.DataFrame:
    """The table's rows of windows that were complete at `ends`, in `after < ends <= as_of`, by window."""
    is_new = (pl.col("use_case") == case.name) & (ends <= as_of) & (pl.lit(True) if after is None else ends > after)
    return tables.read(settings, table).filter(is_new).sort("window_start", "window_end").collect()


def _window(part: pl.DataFrame) -> Window:
    return part["window_start"][0], part["window_end"][0]
