"""Figures of a window of answers (a share, a median, a percentile), each with its count, and the bars that a policy sets for them.

A figure that nobody can give is null beside its count and says why, never 0. A bar that cannot be held against it is not kept by that.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from headrace.models.slices import ALL
from headrace.use_case import Policy


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one window.

    Attributes:
        name: `<subject>/<figure>_<unit>`: `service/latency_p95_ms`.
        value: In the unit of its name; None: it cannot be given.
        count: Answers, questions or calls behind it; 0: there were none, so there is nothing to give.
        lower: Lower end of its 95 % interval; None: it has none.
        upper: Upper end.
        slice_column: By what the answers were divided; `all`: by nothing.
        slice_value: The part.
        reason: What stands behind the figure, or why there is none.
        least: Least value that the policy allows; None: it sets none.
        most: Greatest value that the policy allows; None: it sets none.
        is_kept: Whether the bar is kept; None: there is no bar, or nobody can tell.
    """

    name: str
    value: float | None
    count: int
    lower: float | None = None
    upper: float | None = None
    slice_column: str = ALL
    slice_value: str = ALL
    reason: str | None = None
    least: float | None = None
    most: float | None = None
    is_kept: bool | None = None

    @property
    def has_bar(self) -> bool:
        """Whether the policy bounds it."""
        return self.least is not None or self.most is not None


def measure_share(name: str, hits: int, count: int, *, slice_column: str = ALL, slice_value: str = ALL) -> Figure:
    """A share (0 to 1) with its 95 % interval (Wilson 1927), which holds for few answers and for shares near 0 or 1."""
    from scipy.stats import binomtest

    if count == 0:
        return Figure(name=name, value=None, count=0, slice_column=slice_column, slice_value=slice_value)
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return Figure(
        name=name,
        value=hits / count,
        count=count,
        lower=float(interval.low),
        upper=float(interval.high),
        slice_column=slice_column,
        slice_value=slice_value,
    )


def measure_percentile(
    name: str, values: Sequence[float | None] | pl.Series, percent: int, *, slice_column: str = ALL, slice_value: str = ALL
) -> Figure:
    """The value that `percent` of a hundred stay below. Where one is unknown, so is the figure: those that are known may be the cheap ones."""
    return _measure(name, values, lambda known: float(np.percentile(known, percent)), slice_column=slice_column, slice_value=slice_value)


def measure_mean(name: str, values: Sequence[float | None] | pl.Series, *, slice_column: str = ALL, slice_value: str = ALL) -> Figure:
    """The mean; unknown as for `measure_percentile`."""
    return _measure(name, values, lambda known: float(np.mean(known)), slice_column=slice_column, slice_value=slice_value)


def judge_figures(figures: Sequence[Figure], policy: Policy) -> list[Figure]:
    """Hold the figures of all answers of a window against the policy's bars.

    The figure itself decides: a bar is about what was served, not about what others would have been. Of fewer answers than
    `min_live_rows` nobody can tell, and none is alarmed. A bar for which there is no figure at all stays there as one that nobody measured.
    """
    names = {figure.name for figure in figures}
    most_rows = max((figure.count for figure in figures), default=0)
    missing = [
        Figure(name=name, value=None, count=most_rows, reason=f"nothing measures {name}; the policy's live_floors and live_ceilings name it")
        for name in sorted({*policy.live_floors, *policy.live_ceilings} - names)
    ]
    return [_judge(figure, policy) if figure.slice_column == ALL else figure for figure in [*figures, *missing]]


def build_frame(figures: Sequence[Figure]) -> pl.DataFrame:
    """Rows of `metrics.live_figures` without use case and window. Grain: one figure of one slice."""
    names = {"name": "figure", "count": "row_count", "lower": "lower_bound", "upper": "upper_bound"}
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "name": pl.String,
        "value": pl.Float64,
        "count": pl.Int64,
        "lower": pl.Float64,
        "upper": pl.Float64,
        "slice_column": pl.String,
    }
    schema |= {"slice_value": pl.String, "reason": pl.String, "least": pl.Float64, "most": pl.Float64, "is_kept": pl.Boolean}
    return pl.DataFrame([vars(figure) for figure in figures], schema=schema).rename(names).sort("figure", "slice_column", "slice_value")


def find_bar(policy: Policy, name: str) -> Mapping[str, float | None]:
    """What the policy allows of a figure."""
    return {"least": policy.live_floors.get(name), "most": policy.live_ceilings.get(name)}


def _judge(figure: Figure, policy: Policy) -> Figure:
    figure = replace(figure, **find_bar(policy, figure.name))
    if not figure.has_bar or figure.count == 0:
        return figure
    if figure.count < policy.min_live_rows:
        few = f"{figure.count} are too few to judge, {policy.min_live_rows} are needed"
        return replace(figure, reason=f"{figure.reason}; {few}" if figure.reason else few)
    if figure.value is None or math.isnan(figure.value):
        return replace(figure, value=None, reason=figure.reason or "it cannot be measured")
    is_low = figure.least is not None and figure.value < figure.least
    is_high = figure.most is not None and figure.value > figure.most
    return replace(figure, is_kept=not (is_low or is_high))


def _measure(
    name: str, values: Sequence[float | None] | pl.Series, summarize: Callable[[np.ndarray], float], *, slice_column: str, slice_value: str
) -> Figure:
    known = [value for value in values if value is not None and math.isfinite(value)]
    unknown_count = len(values) - len(known)
    reason = f"{unknown_count} of {len(values)} are not known" if unknown_count else None
    value = summarize(np.asarray(known, dtype=np.float64)) if known and not unknown_count else None
    return Figure(name=name, value=value, count=len(values), slice_column=slice_column, slice_value=slice_value, reason=reason)
