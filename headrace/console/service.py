"""How what was served did, in words: the figures of the newest window beside their bars, and the newest alerts."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import polars as pl

from headrace.models.slices import ALL

LIVE, ALERTS = "metrics.live_figures", "metrics.alerts"

KEPT, BROKEN, UNKNOWN = "kept", "broken", "cannot be told"

# A trouble that lasts is an alert a day, and `metrics.alerts` has them all.
SHOWN_ALERTS = 20

_COLOURS = {KEPT: "good", BROKEN: "bad", UNKNOWN: "warn", "": "neutral"}


def list_figures(live: pl.DataFrame) -> dict[str, Any]:
    """The newest window: `window` in words, `rows` of all answers, `parts` by guardrail, topic or prompt; what is empty and has no bar is left out.

    Each row has `name`, `value`, `interval`, `count`, `bar`, `verdict`, `colour` and `reason`, as text.
    """
    if live.is_empty():
        return {"window": "", "rows": [], "parts": []}
    newest = live.filter(pl.col("window_end") == pl.col("window_end").max())
    shown = newest.filter((pl.col("row_count") > 0) | pl.col("least").is_not_null() | pl.col("most").is_not_null())
    start, end = (newest[name][0].astimezone(UTC) for name in ("window_start", "window_end"))
    rows = [_describe(row) for row in shown.iter_rows(named=True)]
    return {
        "window": f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
        "rows": [row for row in rows if row["part"] == ALL],
        "parts": [row for row in rows if row["part"] != ALL],
    }


def list_alerts(alerts: pl.DataFrame) -> list[dict[str, Any]]:
    """The newest alerts, newest window first: `at` (its end, UTC), `kind`, `colour`, `figure`, `reason`."""
    rows = alerts.sort("window_end", "alert", "figure", descending=[True, False, False]).head(SHOWN_ALERTS).iter_rows(named=True)
    return [
        {
            "at": row["window_end"].astimezone(UTC),
            "kind": row["alert"],
            "colour": "warn" if row["alert"] == "unmeasured" else "bad",
            "figure": row["figure"],
            "reason": row["reason"],
        }
        for row in rows
    ]


def _describe(row: Mapping[str, Any]) -> dict[str, str]:
    has_bar = row["least"] is not None or row["most"] is not None
    # Of nothing, a bar is neither kept nor broken, and nobody need look.
    verdict = "" if not has_bar or row["row_count"] == 0 else UNKNOWN if row["is_kept"] is None else KEPT if row["is_kept"] else BROKEN
    ends = [f"at least {_figure(row, row['least'])}"] if row["least"] is not None else []
    ends += [f"at most {_figure(row, row['most'])}"] if row["most"] is not None else []
    bounds = (row["lower_bound"], row["upper_bound"])
    return {
        "part": row["slice_column"],
        "name": row["figure"] if row["slice_column"] == ALL else f"{row['figure']}, {row['slice_column']} {row['slice_value']}",
        "value": _figure(row, row["value"]),
        "interval": "" if None in bounds else " to ".join(_figure(row, bound) for bound in bounds),
        "count": f"{row['row_count']:,}",
        "bar": ", ".join(ends),
        "verdict": verdict,
        "colour": _COLOURS[verdict],
        "reason": row["reason"] or "",
    }


def _figure(row: Mapping[str, Any], value: float | None) -> str:
    """A share in per cent, a count as it is, everything else with four digits."""
    if value is None:
        return "–"
    return f"{value:.1%}" if row["figure"].endswith("_fraction") else f"{value:,.0f}" if row["figure"].endswith("_count") else f"{value:,.4g}"
