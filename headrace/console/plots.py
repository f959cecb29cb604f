"""The plots of the story: values in, SVG out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from headrace.console.svg import CHARACTER_WIDTH, WIDTH, Scale, TimeScale, drawing, element, fit_scale, line, month_axis, path, spread, text, title

# Room for names on the left, and for the names of lines behind their ends.
LEFT, RIGHT = 88, 96

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


def draw_timeline(*, history: Span, reigns: Sequence[Span], lanes: Mapping[str, Sequence[Mark]]) -> Markup:
    """What was learned from before the first reign, who reigned when, and below it what happened, lane by lane."""
    scale = TimeScale(history.start, reigns[-1].end, LEFT, WIDTH)
    top, bottom = 4, 4 + _LANE * (1 + len(lanes))
    parts = [month_axis(scale, top=top, bottom=bottom), _draw_reigns(scale, history, reigns, top=top)]
    for number, (name, marks) in enumerate(lanes.items(), start=1):
        middle = top + _LANE * number + _LANE / 2 - 6
        parts += [text(0, middle + 4, name, class_="lane"), line(LEFT, middle, WIDTH, middle, class_="rail")]
        parts += _draw_marks(scale, marks, middle=middle)
    return drawing(*parts, height=bottom + 22, label="Timeline of champions, trainings and verdicts.")


def _draw_reigns(scale: TimeScale, history: Span, reigns: Sequence[Span], *, top: float) -> str:
    parts = [text(0, top + _LANE / 2 + 2, "champion", class_="lane")]
    for number, reign in enumerate([history, *reigns]):
        x, end = scale(reign.start), scale(reign.end)
        bar = element(
            "rect",
            title(reign.hint),
            x=x + 1,
            y=top + 6,
            width=max(end - x - 2, 1),
            height=_LANE - 18,
            rx=4,
            class_=f"reign tint{number % 2}" if number else "history",
        )
        fits = end - x > len(reign.name) * CHARACTER_WIDTH + 4
        name = text((x + end) / 2, top + _LANE / 2 + 2, reign.name, class_="on-bar" if number else "lane", anchor="middle") if fits else ""
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


def draw_windows(*, first: datetime, last: datetime, windows: Sequence[datetime], panels: Sequence[Panel], changes: Mapping[datetime, str]) -> Markup:
    """Lines over the windows, panel under panel, with a stroke where another version took over."""
    scale = TimeScale(first, last, LEFT - 44, WIDTH - RIGHT)
    parts, height = [], len(panels) * (_PANEL + _PANEL_GAP)
    for number, panel in enumerate(panels):
        top = number * (_PANEL + _PANEL_GAP) + 26
        parts.append(text(0, top - 12, panel.name, class_="panel"))
        parts.append(month_axis(scale, top=top, bottom=top + _PANEL, labelled=number == len(panels) - 1))
        parts.append(_draw_panel(scale, windows, panel, top=top))
        parts += [_draw_change(scale(at), name if number == 0 else "", top=top) for at, name in changes.items() if first <= at < last]
    return drawing(*parts, height=height, label="Live performance: " + "; ".join(panel.name for panel in panels) + ".")


def _draw_change(x: float, name: str, *, top: float) -> str:
    return line(x, top, x, top + _PANEL, class_="change") + text(x + 4, top + 11, name, class_="tick")


def _draw_panel(scale: TimeScale, windows: Sequence[datetime], panel: Panel, *, top: float) -> str:
    axis = fit_scale([value for series in panel.series for value in series.values], start=top + _PANEL, end=top)
    parts = [_draw_ticks(axis, left=scale.start, right=scale.end, percent=panel.percent)]
    drawn = [
        [None if value is None else (scale(window), axis(value)) for window, value in zip(windows, series.values, strict=True)]
        for series in panel.series
    ]
    if panel.shaded and len(drawn) > 1:
        both = [(first, second) for first, second in zip(drawn[0], drawn[1], strict=True) if first and second]
        parts.append(path([first for first, _ in both] + [second for _, second in reversed(both)], class_="between", closed=True))
    for series, points in zip(panel.series, drawn, strict=True):
        parts.append(path(points, class_=f"line {series.kind}"))
        parts += [
            element(
                "circle",
                title(f"{series.name}, window around {window:%d %b %Y}: {_figure(value, percent=panel.percent)}"),
                cx=point[0],
                cy=point[1],
                r=2.4,
                class_=f"dot {series.kind}",
            )
            for window, value, point in zip(windows, series.values, points, strict=True)
            if point is not None and value is not None
        ]
    ends = [(series, next(point for point in reversed(points) if point)) for series, points in zip(panel.series, drawn, strict=True) if any(points)]
    for (series, point), y in zip(ends, spread([point[1] for _, point in ends], least=15), strict=True):
        parts.append(text(point[0] + 9, y + 4, series.name, class_=f"end {series.kind}"))
    return "".join(parts)


def _draw_ticks(axis: Scale, *, left: float, right: float, percent: bool) -> str:
    ticks = axis.ticks(5)
    decimals = max((len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in ticks), default=0)
    written = (f"{value:.0%}" if percent else f"{value:.{decimals}f}" for value in ticks)
    return "".join(
        line(left, axis(value), right, axis(value)) + text(left - 10, axis(value) + 4, name, class_="tick", anchor="end")
        for value, name in zip(ticks, written, strict=True)
    )


def _figure(value: float | None, *, percent: bool) -> str:
    return "none" if value is None else f"{value:.1%}" if percent else f"{value:.4f}"


@dataclass(frozen=True, kw_only=True)
class HeatView:
    """One view of drift: distances by feature and window, null where there is none, and why (`hints`)."""

    name: str
    windows: Sequence[datetime]
    values: Mapping[tuple[str, datetime], float | None]
    hints: Mapping[tuple[str, datetime], str]


_FEATURE_WIDTH, _ROW, _VIEW_GAP = 262, 15, 26

# Shades in multiples of the threshold: two below it, three above.
_SHADES = (0.4, 1.0, 2.0, 4.0)


def draw_heat_map(features: Sequence[str], views: Sequence[HeatView], *, threshold: float) -> Markup:
    """One square per feature and window; the views stand side by side and share the names of the features."""
    top, width = 46, (WIDTH - 4 - _FEATURE_WIDTH - _VIEW_GAP * (len(views) - 1)) / len(views)
    bottom = top + _ROW * len(features)
    parts = [text(_FEATURE_WIDTH - 10, top + _ROW * row + 11.5, name, class_="feature", anchor="end") for row, name in enumerate(features)]
    for number, view in enumerate(views):
        parts += _draw_view(features, view, left=_FEATURE_WIDTH + number * (width + _VIEW_GAP), top=top, width=width, threshold=threshold)
    parts += _draw_shades(threshold, y=bottom + 22)
    return drawing(*parts, height=bottom + 44, label="Drift of each feature in each window: " + " and ".join(view.name for view in views) + ".")


def _draw_view(features: Sequence[str], view: HeatView, *, left: float, top: float, width: float, threshold: float) -> list[str]:
    parts, cell = [text(left, 14, view.name, class_="panel")], width / max(len(view.windows), 1)
    every = 1 if cell >= 44 else 2 if cell >= 22 else 4
    for column, window in enumerate(view.windows):
        x = left + column * cell
        if column % every == 0:
            parts.append(text(x + cell / 2, top - 7, f"{window.day} {window:%b}", class_="tick", anchor="middle"))
        parts += [_draw_cell(view, feature, window, x=x, y=top + _ROW * row, width=cell, threshold=threshold) for row, feature in enumerate(features)]
    return parts


def _draw_cell(view: HeatView, feature: str, window: datetime, *, x: float, y: float, width: float, threshold: float) -> str:
    value = view.values.get((feature, window))
    hint = title(f"{feature}, four weeks from {window:%d %b %Y}: {view.hints.get((feature, window), 'not measured')}")
    if value is None:
        return element("circle", hint, cx=x + width / 2, cy=y + _ROW / 2, r=1.8, class_="absent")
    shade = sum(value >= bound * threshold for bound in _SHADES)
    return element("rect", hint, x=x + 0.75, y=y + 0.75, width=width - 1.5, height=_ROW - 1.5, rx=2, class_=f"heat{shade}")


def _draw_shades(threshold: float, *, y: float) -> list[str]:
    bounds = [f"{bound * threshold:.2g}" for bound in _SHADES]
    names = [
        f"below {bounds[0]}",
        f"{bounds[0]} to {bounds[1]}",
        f"{bounds[1]} to {bounds[2]}: drifted",
        f"{bounds[2]} to {bounds[3]}",
        f"above {bounds[3]}",
    ]
    parts, x = [text(_FEATURE_WIDTH - 10, y + 10, "PSI", class_="feature", anchor="end")], float(_FEATURE_WIDTH)
    for shade, name in enumerate(names):
        parts += [element("rect", x=x, y=y, width=14, height=13, rx=2, class_=f"heat{shade}"), text(x + 20, y + 10.5, name, class_="tick")]
        x += 20 + len(name) * CHARACTER_WIDTH + 22
    return [*parts, element("circle", cx=x + 6, cy=y + 6.5, r=1.8, class_="absent"), text(x + 16, y + 10.5, "no value", class_="tick")]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What a challenger gained over its opponent: the mean, its lower bound, and the verdict; null where nothing was compared or decided."""

    name: str
    gain: float | None
    lower_bound: float | None
    is_promoted: bool | None
    verdict: str


def draw_gains(gains: Sequence[Gain], *, least: float) -> Markup:
    """One row per challenger: the gain as a point, its lower bound as the end of a stroke, and the bar that it must pass."""
    row, top = 34, 8
    axis = fit_scale([0.0, least, *(value for gain in gains for value in (gain.gain, gain.lower_bound))], start=LEFT + 50, end=WIDTH - 170)
    bottom = top + row * len(gains)
    parts = [
        line(axis(value), top, axis(value), bottom)
        + text(axis(value), bottom + 16, f"{value:+.3g}" if value else "0", class_="tick", anchor="middle")
        for value in axis.ticks(6)
    ]
    parts.append(line(axis(least), top, axis(least), bottom, class_="bar-to-pass"))
    for number, gain in enumerate(gains):
        y, kind = top + row * number + row / 2, {True: "good", False: "bad", None: "neutral"}[gain.is_promoted]
        parts += [text(0, y + 4, gain.name, class_="lane"), text(WIDTH - 140, y + 4, gain.verdict, class_=f"verdict {kind}")]
        if gain.gain is not None and gain.lower_bound is not None:
            low, high, hint = (
                axis(gain.lower_bound),
                axis(gain.gain),
                title(f"{gain.name}: gain {gain.gain:+.4f}, lower bound {gain.lower_bound:+.4f}"),
            )
            parts += [line(low, y, high, y, class_=f"stroke {kind}"), line(low, y - 6, low, y + 6, class_=f"stroke {kind}")]
            parts.append(element("circle", hint, cx=high, cy=y, r=5, class_=f"mark {kind}"))
    return drawing(*parts, height=bottom + 26, label="Gain of each challenger over its opponent, with its lower bound.")


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Bins of predictions: what was said on average, and what came on average."""

    name: str
    kind: str
    predicted: Sequence[float]
    observed: Sequence[float]


def draw_reliability(curves: Sequence[Reliability], *, said: str, came: str, percent: bool) -> Markup:
    """Said against came, each axis with its words; on the diagonal, a prediction means what it says. Shares begin at 0."""
    size, left, top = 360, 52, 12
    values = [value for curve in curves for value in (*curve.predicted, *curve.observed)]
    low, high = (0.0, max([0.1, *values])) if percent else (min([0.0, *values]), max(values))
    x_axis, y_axis = Scale(low, high * 1.05, left, left + size), Scale(low, high * 1.05, top + size, top)

    def spell(value: float) -> str:
        return f"{value:.1%}" if percent else f"{value:,.4g}"

    parts = []
    for value in x_axis.ticks(5):
        parts += [
            line(x_axis(value), top, x_axis(value), top + size),
            text(x_axis(value), top + size + 16, f"{value:.0%}" if percent else f"{value:,.3g}", class_="tick", anchor="middle"),
        ]
        parts += [
            line(left, y_axis(value), left + size, y_axis(value)),
            text(left - 8, y_axis(value) + 4, f"{value:.0%}" if percent else f"{value:,.3g}", class_="tick", anchor="end"),
        ]
    parts.append(line(x_axis(low), y_axis(low), x_axis(x_axis.high), y_axis(y_axis.high), class_="diagonal"))
    for number, curve in enumerate(curves):
        pairs = list(zip(curve.predicted, curve.observed, strict=True))
        points = [(x_axis(predicted), y_axis(observed)) for predicted, observed in pairs]
        parts.append(path(points, class_=f"line {curve.kind}"))
        hints = [title(f"{curve.name}: said {spell(predicted)}, came {spell(observed)}") for predicted, observed in pairs]
        parts += [element("circle", hint, cx=x, cy=y, r=4, class_=f"dot {curve.kind}") for hint, (x, y) in zip(hints, points, strict=True)]
        parts.append(element("circle", cx=left + 18, cy=top + 18 + 20 * number, r=4, class_=f"dot {curve.kind}"))
        parts.append(text(left + 30, top + 22 + 20 * number, curve.name, class_=f"end {curve.kind}"))
    parts.append(text(left + size / 2, top + size + 36, said, class_="tick", anchor="middle"))
    parts.append(element("text", came, x=0, y=0, class_="tick", text_anchor="middle", transform=f"translate(12 {top + size / 2}) rotate(-90)"))
    return drawing(
        *parts,
        width=left + size + 16,
        height=top + size + 44,
        label=f"Reliability: {said} against {came}.",
        class_="square",
    )


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A length with a name in front and words behind."""

    name: str
    value: float
    words: str


def draw_bars(bars: Sequence[Bar], *, label: str, left: float = LEFT, width: float = WIDTH) -> Markup:
    """Horizontal bars in the order they come, their names in the `left` part of the drawing."""
    row, longest = 27, max((bar.value for bar in bars), default=1.0) or 1.0
    words = max((len(bar.words) for bar in bars), default=0) * CHARACTER_WIDTH
    axis = Scale(0, longest, left, width - words - 16)
    parts = []
    for number, bar in enumerate(bars):
        y, end = row * number + 4, axis(bar.value)
        parts.append(text(0, y + 14, bar.name, class_="lane"))
        parts.append(element("rect", x=left, y=y, width=max(end - left, 1.5), height=row - 9, rx=3, class_="bar"))
        parts.append(text(end + 10, y + 14, bar.words, class_="tick"))
    return drawing(*parts, width=width, height=row * len(bars) + 4, label=label)
