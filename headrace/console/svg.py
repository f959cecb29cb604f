"""The little SVG that the plots need: elements, scales and axes. Colours are classes, so that one page serves light and dark."""

import base64
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from html import escape
from itertools import pairwise
from pathlib import Path

from markupsafe import Markup

# Width of a plot in its own units; the page scales it. At full width one unit is one CSS pixel.
WIDTH = 960

# Mean advance of a character of the page's font at 12 units: enough to tell whether two labels meet.
CHARACTER_WIDTH = 6.3

# Units of white around a drawing that stands alone.
_MARGIN = 12


@dataclass(frozen=True)
class Scale:
    """Maps `low`..`high` of a quantity to `start`..`end` of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 4) -> list[float]:
        """About `count` round values inside the scale (Heckbert 1990: steps of 1, 2 or 5)."""
        rough = (self.high - self.low) / count
        magnitude = 10.0 ** math.floor(math.log10(rough))
        step = min((factor * magnitude for factor in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / rough)))
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 10) for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class TimeScale:
    """Maps instants (UTC) to `start`..`end` of the drawing."""

    first: datetime
    last: datetime
    start: float
    end: float

    def __call__(self, instant: datetime) -> float:
        """Place of an instant."""
        return self.start + (instant - self.first) / (self.last - self.first) * (self.end - self.start)

    def months(self) -> list[datetime]:
        """First instants of the months inside the scale."""
        month = floor_month(self.first)
        found = []
        while month <= self.last:
            if month >= self.first:
                found.append(month)
            month = (month + timedelta(days=32)).replace(day=1)
        return found


def floor_month(instant: datetime) -> datetime:
    """First instant (UTC) of the month of an instant."""
    return datetime(instant.year, instant.month, 1, tzinfo=UTC)


def fit_scale(values: Iterable[float | None], *, start: float, end: float, margin_fraction: float = 0.08) -> Scale:
    """A scale that holds all values, with some air at both ends; values that are null are left out."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    air = (high - low) * margin_fraction or abs(high) * margin_fraction or 1.0
    return Scale(low - air, high + air, start, end)


def element(name: str, *children: str, **attributes: object) -> str:
    """An element. Attributes lose a trailing underscore and get hyphens for the others; null attributes are left out."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"' for key, value in attributes.items() if value is not None)
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text(x: float, y: float, content: str, *, class_: str = "label", anchor: str | None = None) -> str:
    """A line of text; `anchor` is `middle` or `end`."""
    return element("text", escape(content), x=x, y=y, class_=class_, text_anchor=anchor)


def title(content: str) -> str:
    """What a pointer that rests on the parent element is told."""
    return element("title", escape(content))


def line(x1: float, y1: float, x2: float, y2: float, *, class_: str = "grid") -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Sequence[tuple[float, float] | None], *, class_: str, closed: bool = False) -> str:
    """A line through points; a missing point interrupts it."""
    commands, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        commands.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
        pen = "L"
    return element("path", d=" ".join(commands) + ("Z" if closed else ""), class_=class_) if commands else ""


def drawing(*children: str, height: float, label: str, width: float = WIDTH, class_: str | None = None) -> Markup:
    """The finished plot; `label` says in a sentence what it shows, for those who cannot see it."""
    svg = element("svg", *children, viewBox=f"0 0 {_number(width)} {_number(height)}", role="img", aria_label=label, class_=class_)
    # Every text and attribute above was escaped when it was made.
    return Markup(svg)  # noqa: S704 - the parts were escaped one by one above


def embed(svg: Markup) -> str:
    """A drawing as a data URI, for where no page stands around it: on a white ground, with the style sheet's rules in its light colours."""
    width, height = (float(size) + 2 * _MARGIN for size in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    head = element("rect", x=-_MARGIN, y=-_MARGIN, width=width, height=height, fill="#fff")
    opened, _, rest = str(svg).partition(">")
    framed = re.sub(r'viewBox="[^"]+"', f'viewBox="{-_MARGIN} {-_MARGIN} {width:g} {height:g}"', opened)
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
    alone = f"{framed.replace('<svg', begin, 1)}><style>{_read_rules()}</style>{head}{rest}"
    return f"data:image/svg+xml;base64,{base64.b64encode(alone.encode()).decode()}"


@lru_cache(maxsize=1)
def _read_rules() -> str:
    """The colours and the rules for drawings of the story's style sheet, without what fits a drawing into a page."""
    sheet = (Path(__file__).parent / "templates" / "story.css").read_text(encoding="utf-8")
    rules = [line for line in sheet.splitlines() if line.startswith("svg ") and not line.startswith("svg {")]
    return sheet[: sheet.index("}") + 1] + "svg { font: 12px system-ui, sans-serif; }" + "".join(rules)


def month_axis(scale: TimeScale, *, top: float, bottom: float, labelled: bool = True) -> str:
    """Vertical lines at the first of each month, with names below; the year stands at its January, or at the first month."""
    parts = []
    months = scale.months()
    for month in months:
        x = scale(month)
        parts.append(line(x, top, x, bottom))
        full = f"{month:%b %Y}" if month.month == 1 or month == months[0] else f"{month:%b}"
        fitting = [name for name in (full, f"{month:%b}") if labelled and x + 4 + len(name) * CHARACTER_WIDTH <= scale.end]
        parts += [text(x + 4, bottom + 14, name, class_="tick") for name in fitting[:1]]
    return "".join(parts)


def spread(places: Sequence[float], *, least: float) -> list[float]:
    """Move places apart, keeping their order, until neighbours are `least` apart: labels at line ends then never overlap."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for before, after in pairwise(order):
        if moved[after] - moved[before] < least:
            middle = (moved[after] + moved[before]) / 2
            moved[before], moved[after] = middle - least / 2, middle + least / 2
    return moved


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
