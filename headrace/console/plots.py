"""The plots of the story: values in, SVG out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from headrace.console.svg import CHARACTER_WIDTH, WIDTH, Scale, TimeScale, drawing, element, fit_scale, line, month_axis, path, spread, text, title

# Room for names on the left and for labels at line ends on the right; plots over time share both, so that months align.
LEFT, RIGHT = 116, 104

_LANE = 46
_PANEL, _PANEL_GAP = 150, 44


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of time in a lane: a reign."""

    start: datetime
    end: datetime
    name: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something that happened at an instant: `kind` is a class of the style sheet."""

    at: datetime
    name: str
    kind: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line: `kind` is a class of the style sheet, values are null where there is none."""

    name: str
    kind: str
    values: Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Lines that share an axis; `shaded` fills the room between the first two, `decimals` are those of its figures."""

    name: str
    series: Sequence[Series]
    percent: bool = False
    shaded: bool = False


def time_scale(first: datetime, last: datetime) -> TimeScale:
    """The axis that all plots over time share."""
    return TimeScale(first, last, LEFT, WIDTH - RIGHT)


def draw_timeline(scale: TimeScale, *, reigns: Sequence[Span], lanes: Mapping[str, Sequence[Mark]]) -> Markup:
    """Who reigned when, and below it what happened, lane by lane."""
    top, bottom = 4, 4 + _LANE * (1 + len(lanes))
    parts = [month_axis(scale, top=top, bottom=bottom), _draw_reigns(scale, reigns, top=top)]
    for number, (name, marks) in enumerate(lanes.items(), start=1):
        middle = top + _LANE * number + _LANE / 2 - 6
        parts += [text(LEFT - 14, middle + 4, name, class_="lane", anchor="end"), line(LEFT, middle, WIDTH - RIGHT, middle, class_="rail")]
        parts += _draw_marks(scale, marks, middle=middle)
    return drawing(*parts, height=bottom + 22, label="Timeline of champions, trainings and verdicts.")


def _draw_reigns(scale: TimeScale, reigns: Sequence[Span], *, top: float) -> str:
    parts = [text(LEFT - 14, top + _LANE / 2 + 2, "champion", class_="lane", anchor="end")]
    for number, reign in enumerate(reigns):
        x, end = scale(reign.start), scale(reign.end)
        bar = element("rect", title(reign.hint), x=x + 1, y=top + 6, width=max(end - x - 2, 1), height=_LANE - 18, rx=4, class_=f"reign tint{number % 2}")
        name = text((x + end) / 2, top + _LANE / 2 + 2, reign.name, class_="on-bar", anchor="middle") if end - x > 20 else ""
        parts.append(bar + name)
    return "".join(parts)


def _draw_marks(scale: TimeScale, marks: Sequence[Mark], *, middle: float) -> list[str]:
    """Symbols on a rail with their names below; a name that would touch its neighbour's is left to the hint."""
    parts, free_from = [], float(LEFT) - 40
    for mark in marks:
        x = scale(mark.at)
        parts.append(element("circle", title(mark.hint), cx=x, cy=middle, r=6, class_=f"mark {mark.kind}"))
        half = len(mark.name) * CHARACTER_WIDTH / 2
        if x - half >= free_from:
            parts.append(text(x, middle + 21, mark.name, class_="tick", anchor="middle"))
            free_from = x + half + 6
    return parts


def draw_weeks(scale: TimeScale, *, weeks: Sequence[datetime], panels: Sequence[Panel], changes: Mapping[datetime, str]) -> Markup:
    """Lines over the weeks, panel under panel, with a stroke where another version took over."""
    parts, height = [], len(panels) * (_PANEL + _PANEL_GAP)
    for number, panel in enumerate(panels):
        top = number * (_PANEL + _PANEL_GAP) + 26
        parts.append(text(LEFT, top - 10, panel.name, class_="panel"))
        parts.append(month_axis(scale, top=top, bottom=top + _PANEL, labelled=number == len(panels) - 1))
        parts += [_draw_change(scale(at), name, top=top) for at, name in changes.items() if scale.first <= at <= scale.last]
        parts.append(_draw_panel(scale, weeks, panel, top=top))
    return drawing(*parts, height=height, label="Weekly live performance: " + "; ".join(panel.name for panel in panels) + ".")


def _draw_change(x: float, name: str, *, top: float) -> str:
    return line(x, top, x, top + _PANEL, class_="change") + text(x + 4, top + 11, name, class_="tick")


def _draw_panel(scale: TimeScale, weeks: Sequence[datetime], panel: Panel, *, top: float) -> str:
    axis = fit_scale([value for series in panel.series for value in series.values], start=top + _PANEL, end=top)
    parts = [_draw_ticks(axis, percent=panel.percent)]
    drawn = [[None if value is None else (scale(week), axis(value)) for week, value in zip(weeks, series.values, strict=True)] for series in panel.series]
    if panel.shaded and len(drawn) > 1:
        both = [(first, second) for first, second in zip(drawn[0], drawn[1], strict=True) if first and second]
        parts.append(path([first for first, _ in both] + [second for _, second in reversed(both)], class_="between", closed=True))
    for series, points in zip(panel.series, drawn, strict=True):
        parts.append(path(points, class_=f"line {series.kind}"))
        parts += [
            element("circle", title(f"{series.name}, week of {week:%d %b %Y}: {_figure(value, percent=panel.percent)}"), cx=point[0], cy=point[1], r=2.4, class_=f"dot {series.kind}")
            for week, value, point in zip(weeks, series.values, points, strict=True)
            if point is not None and value is not None
        ]
    ends = [(series, next(point for point in reversed(points) if point)) for series, points in zip(panel.series, drawn, strict=True) if any(points)]
    for (series, point), y in zip(ends, spread([point[1] for _, point in ends], least=15), strict=True):
        parts.append(text(point[0] + 9, y + 4, series.name, class_=f"end {series.kind}"))
    return "".join(parts)


def _draw_ticks(axis: Scale, *, percent: bool) -> str:
    ticks = axis.ticks(4)
    decimals = max((len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in ticks), default=0)
    written = (f"{value:.0%}" if percent else f"{value:.{decimals}f}" for value in ticks)
    return "".join(
        line(LEFT, axis(value), WIDTH - RIGHT, axis(value)) + text(LEFT - 10, axis(value) + 4, name, class_="tick", anchor="end")
        for value, name in zip(ticks, written, strict=True)
    )


def _figure(value: float | None, *, percent: bool) -> str:
    return "none" if value is None else f"{value:.1%}" if percent else f"{value:.4f}"
