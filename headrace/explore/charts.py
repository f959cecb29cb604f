"""The plots of exploration: values in, SVG out, from the same few elements as the console's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from headrace.console.svg import CHARACTER_WIDTH, WIDTH, Scale, TimeScale, drawing, element, fit_scale, line, path, spread, text, title
from headrace.explore.words import format_number
from headrace.words import format_count

# Room for figures on the left and for names of lines on the right.
_LEFT, _RIGHT = 52, 130
_HEIGHT, _GAP, _COUNTS = 230, 26, 54

# Groups: room for their names, height of a row, width of the bars that count.
_NAMES, _ROW, _COUNT_WIDTH = 210, 24, 150

_SPARK_WIDTH, _SPARK_HEIGHT = 150.0, 26.0

Values = Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What is drawn of a label: a line or a row of dots per measure.

    Attributes:
        values: Measure -> values, null where there is none.
        counts: Rows behind each.
        is_share: Whether the values are shares from 0 to 1.
        band: The measures between which the room is filled: low and high quantile.
    """

    values: Mapping[str, Values]
    counts: Sequence[int]
    is_share: bool
    band: tuple[str, str] | None = None

    @property
    def all_values(self) -> list[float | None]:
        """Every value of every measure."""
        return [value for values in self.values.values() for value in values]

    def write(self, value: float | None) -> str:
        """A value in words."""
        return "none" if value is None else f"{value:.1%}" if self.is_share else format_number(value)


def draw_distribution(bars: Sequence[int], hints: Sequence[str], *, name: str) -> Markup:
    """A row of small bars, the greatest as high as the drawing."""
    width, greatest = _SPARK_WIDTH / max(len(bars), 1), max(bars, default=0) or 1
    parts = []
    for place, (count, hint) in enumerate(zip(bars, hints, strict=True)):
        # A bar that stands for few rows is still to be seen.
        height = max(count / greatest * _SPARK_HEIGHT, 1.0) if count else 0.0
        parts.append(
            element("rect", title(f"{hint}: {count:,}"), x=place * width, y=_SPARK_HEIGHT - height, width=max(width - 1, 0.5), height=height)
        )
    return drawing(*parts, width=_SPARK_WIDTH, height=_SPARK_HEIGHT, label=f"Distribution of {name}.", class_="spark")


def draw_over_time(instants: Sequence[datetime], lines: Lines, *, label: str) -> Markup:
    """Lines over at least two instants, and below them how many rows stand behind each point."""
    scale, top = TimeScale(instants[0], instants[-1], _LEFT, WIDTH - _RIGHT), 14
    axis = fit_scale([*lines.all_values, *([0.0] if lines.is_share else [])], start=top + _HEIGHT, end=top, margin_fraction=0.06)
    parts = [*_draw_figures(axis, lines), *_draw_dates(instants, scale, top=top), *_draw_band(instants, lines, scale, axis)]
    for number, (name, values) in enumerate(lines.values.items()):
        points = [None if value is None else (scale(at), axis(value)) for at, value in zip(instants, values, strict=True)]
        hints = [f"{at:%Y-%m-%d}, {name}: {lines.write(value)}" for at, value in zip(instants, values, strict=True)]
        parts += [path(points, class_=f"line c{number}"), *_draw_dots(points, hints, number)]
    parts += [*_name_ends(lines, axis), *_draw_counts(instants, lines.counts, scale, top=top + _HEIGHT + _GAP)]
    return drawing(*parts, height=top + _HEIGHT + _GAP + _COUNTS + 24, label=label)


def _name_ends(lines: Lines, axis: Scale) -> list[str]:
    """The names of lines behind their ends; a line without any value has none."""
    known = [(number, name, [value for value in values if value is not None]) for number, (name, values) in enumerate(lines.values.items())]
    ends = [(number, name, axis(values[-1])) for number, name, values in known if values]
    places = [y for _, _, y in ends]
    for _ in ends:
        # One pass moves two neighbours apart, and the second may then meet the third.
        places = spread(places, least=15)
    x = WIDTH - _RIGHT + 10
    return [text(x, y + 4, _cut(name, _RIGHT), class_=f"end c{number}") for (number, name, _), y in zip(ends, places, strict=True)]


def _draw_figures(axis: Scale, lines: Lines) -> list[str]:
    return [
        line(_LEFT, axis(value), WIDTH - _RIGHT, axis(value))
        + text(_LEFT - 8, axis(value) + 4, _write_tick(value, lines), class_="tick", anchor="end")
        for value in axis.ticks(5)
        if not lines.is_share or 0 <= value <= 1
    ]


def _write_tick(value: float, lines: Lines) -> str:
    return f"{value:.3%}".rstrip("0%").rstrip(".") + "%" if lines.is_share else format_number(value)


def _draw_dates(instants: Sequence[datetime], scale: TimeScale, *, top: float) -> list[str]:
    """At most eight dates, so that none touches its neighbour; the year stands where it changes."""
    step = -(-len(instants) // 8)
    shown, parts, year = list(instants[::step]), [], 0
    within_days = instants[-1].date() != instants[0].date() and any((at.hour, at.minute) != (0, 0) for at in instants)
    for at in shown:
        words = f"{at.day} {at:%b}" + (f" {at:%H}:00" if within_days else "") + (f" {at.year}" if at.year != year else "")
        parts += [line(scale(at), top, scale(at), top + _HEIGHT), text(scale(at), top + _HEIGHT + 16, words, class_="tick", anchor="middle")]
        year = at.year
    return parts


def _draw_band(instants: Sequence[datetime], lines: Lines, scale: TimeScale, axis: Scale) -> list[str]:
    if lines.band is None:
        return []
    rows = zip(instants, *(lines.values[name] for name in lines.band), strict=True)
    both = [(scale(at), axis(low), axis(high)) for at, low, high in rows if low is not None and high is not None]
    return [path([(x, low) for x, low, _ in both] + [(x, high) for x, _, high in reversed(both)], class_="between", closed=True)]


def _draw_dots(points: Sequence[tuple[float, float] | None], hints: Sequence[str], number: int) -> list[str]:
    return [
        element("circle", title(hint), cx=point[0], cy=point[1], r=2.4, class_=f"dot c{number}")
        for point, hint in zip(points, hints, strict=True)
        if point is not None
    ]


def _draw_counts(instants: Sequence[datetime], counts: Sequence[int], scale: TimeScale, *, top: float) -> list[str]:
    greatest, width = max(counts, default=0) or 1, max((scale.end - scale.start) / len(instants) - 1.5, 1.0)
    bars = []
    for at, count in zip(instants, counts, strict=True):
        height = count / greatest * _COUNTS
        hint = title(f"{at:%Y-%m-%d}: {format_count(count, 'row')}")
        bars.append(element("rect", hint, x=scale(at) - width / 2, y=top + _COUNTS - height, width=width, height=height, class_="count"))
    return [*bars, text(WIDTH - _RIGHT + 10, top + _COUNTS - 2, f"rows, up to {greatest:,}", class_="tick")]


def draw_groups(names: Sequence[str], lines: Lines, overall: Mapping[str, float | None], *, label: str) -> Markup:
    """One row per group: a dot per measure, a stroke between low and high quantile, and a bar of its rows. Upright strokes are the overall values."""
    top, end = 30, WIDTH - _COUNT_WIDTH - 34
    axis = fit_scale([*lines.all_values, *overall.values(), *([0.0] if lines.is_share else [])], start=_NAMES, end=end, margin_fraction=0.05)
    bottom = top + _ROW * len(names)
    parts = [*_draw_columns(axis, lines, top=top, bottom=bottom), text(end + 34, top - 12, "rows", class_="tick")]
    for number, value in enumerate(overall.values()):
        if value is not None:
            parts.append(line(axis(value), top, axis(value), bottom, class_=f"overall c{number}"))
    for row, (name, count) in enumerate(zip(names, lines.counts, strict=True)):
        middle = top + _ROW * (row + 0.5)
        parts += [text(_NAMES - 12, middle + 4, _cut(name, _NAMES), class_="name", anchor="end"), *_draw_group(name, row, lines, axis, middle)]
        parts += _draw_bar(count, max(lines.counts), x=end + 34, middle=middle)
    return drawing(*parts, height=bottom + 8, label=label)


def _draw_columns(axis: Scale, lines: Lines, *, top: float, bottom: float) -> list[str]:
    return [
        line(axis(value), top, axis(value), bottom) + text(axis(value), top - 12, _write_tick(value, lines), class_="tick", anchor="middle")
        for value in axis.ticks(6)
        if not lines.is_share or 0 <= value <= 1
    ]


def _draw_group(name: str, row: int, lines: Lines, axis: Scale, middle: float) -> list[str]:
    parts = []
    low, high = (lines.values[measure][row] for measure in lines.band) if lines.band else (None, None)
    if low is not None and high is not None:
        parts.append(line(axis(low), middle, axis(high), middle, class_="span"))
    for number, (measure, values) in enumerate(lines.values.items()):
        value = values[row]
        if value is not None:
            hint = title(f"{name}, {measure}: {lines.write(value)} of {format_count(lines.counts[row], 'row')}")
            parts.append(element("circle", hint, cx=axis(value), cy=middle, r=5, class_=f"mark c{number}"))
    return parts


def _draw_bar(count: int, greatest: int, *, x: float, middle: float) -> list[str]:
    width = count / max(greatest, 1) * (_COUNT_WIDTH - 60)
    return [
        element("rect", x=x, y=middle - 6, width=width, height=12, rx=2, class_="count"),
        text(x + width + 6, middle + 4, f"{count:,}", class_="tick"),
    ]


def draw_drift(distances: Mapping[str, float], *, threshold: float) -> Markup:
    """One bar per feature, and the stroke from which on a feature has drifted."""
    top, end = 26, WIDTH - 90
    axis = Scale(0.0, max([*distances.values(), threshold * 1.5]), _NAMES + 80, end)
    bottom = top + _ROW * 0.75 * len(distances)
    parts, place = [], axis(threshold)
    for row, (name, distance) in enumerate(distances.items()):
        middle = top + _ROW * 0.75 * (row + 0.5)
        kind = "drifted" if distance >= threshold else "calm"
        width = max(axis(distance) - axis.start, 1.0)
        parts += [text(axis.start - 12, middle + 4, _cut(name, axis.start), class_="name", anchor="end")]
        parts += [element("rect", title(f"{name}: {distance:.4f}"), x=axis.start, y=middle - 6, width=width, height=12, rx=2, class_=kind)]
        parts += [text(max(axis.start + width, place) + 6, middle + 4, f"{distance:.3f}", class_="tick")]
    parts += [
        line(place, top, place, bottom, class_="bar-to-pass"),
        text(place, top - 9, f"drifted from {threshold:g} on", class_="tick", anchor="middle"),
    ]
    return drawing(*parts, height=bottom + 6, label="Drift (PSI) of each feature between the two windows.")


def _cut(name: str, width: float) -> str:
    length = int((width - 14) / CHARACTER_WIDTH)
    return name if len(name) <= length else name[: length - 1] + "…"
