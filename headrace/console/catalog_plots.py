"""The drawings of the catalog: the shape of a column, and what flows into what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from markupsafe import Markup

from headrace.console.svg import WIDTH, drawing, element, text, title
from headrace.inventory.sketches import Sketch

_SKETCH_WIDTH, _SKETCH_HEIGHT = 150.0, 26.0
_SHARE_HEIGHT = 8.0

_NODE_HEIGHT, _NODE_GAP = 22, 8
_HEAD = 24


@dataclass(frozen=True, kw_only=True)
class Node:
    """One table in the drawing of a lineage: `kind` is a class of the style sheet."""

    table: str
    name: str
    kind: str
    hint: str


def draw_sketch(sketch: Sketch) -> Markup:
    """A histogram, or the shares of the commonest values; nothing where no value is shown."""
    if sketch.bars:
        return _draw_histogram(sketch)
    if sketch.values:
        return _draw_shares(sketch)
    return Markup()


def draw_lineage(layers: Mapping[str, Sequence[Node]], edges: Iterable[tuple[str, str]], *, label: str) -> Markup:
    """Tables in columns by layer, each with a link to its entry, and a curve from each table to those made from it."""
    step = WIDTH / len(layers)
    tallest = max(len(nodes) for nodes in layers.values())
    full = tallest * (_NODE_HEIGHT + _NODE_GAP)
    parts, places = [], {}
    for number, (layer, nodes) in enumerate(layers.items()):
        x = number * step
        parts.append(text(x, 12, layer, class_="panel"))
        top = _HEAD + (full - len(nodes) * (_NODE_HEIGHT + _NODE_GAP)) / 2
        for place, node in enumerate(nodes):
            places[node.table] = (x, top + place * (_NODE_HEIGHT + _NODE_GAP))
            parts.append(_draw_node(node, *places[node.table], width=step * 0.74))
    curves = [_draw_edge(places[begin], places[end], width=step * 0.74) for begin, end in edges if begin in places and end in places]
    # Curves first, so that names stand on top of them.
    return drawing(*curves, *parts, height=_HEAD + full, label=label)


def _draw_node(node: Node, x: float, y: float, *, width: float) -> str:
    box = element("rect", title(node.hint), x=x, y=y, width=width, height=_NODE_HEIGHT, rx=4, class_=f"node {node.kind}")
    return element("a", box, text(x + 8, y + 15, node.name, class_="node-name"), href=f"#{node.table}")


def _draw_edge(begin: tuple[float, float], end: tuple[float, float], *, width: float) -> str:
    """A curve from the right side of one box to the left side of another; inside a layer, around the right side of both."""
    x1, y1, y2 = begin[0] + width, begin[1] + _NODE_HEIGHT / 2, end[1] + _NODE_HEIGHT / 2
    is_inside = end[0] <= begin[0]
    x2, bend = (x1, 8 + abs(y2 - y1) / 10) if is_inside else (end[0], (end[0] - x1) / 2)
    second = x2 + bend if is_inside else x2 - bend
    return element("path", d=f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {second:.1f} {y2:.1f} {x2:.1f} {y2:.1f}", class_="edge")


def _draw_histogram(sketch: Sketch) -> Markup:
    tallest, width = max(sketch.bars), _SKETCH_WIDTH / len(sketch.bars)
    # One path for all bars: a page has hundreds of these. What is not empty is at least a line.
    heights = [max(bar / tallest * _SKETCH_HEIGHT, 1.0) if bar else 0.0 for bar in sketch.bars]
    steps = "".join(
        f"M{number * width:.1f} {_SKETCH_HEIGHT:g}v-{height:.1f}h{max(width - 0.8, 0.8):.1f}v{height:.1f}z"
        for number, height in enumerate(heights)
        if height
    )
    label = f"{sketch.row_count - sketch.null_count:,} values from {sketch.low} to {sketch.high}"
    shape = element("path", title(label), d=steps, class_="bar")
    return drawing(shape, height=_SKETCH_HEIGHT, width=_SKETCH_WIDTH, label=label, class_="sketch")


def _draw_shares(sketch: Sketch) -> Markup:
    count = sketch.row_count - sketch.null_count
    ends = [0.0, *accumulate(rows / count * _SKETCH_WIDTH for _, rows in sketch.values)]
    parts = [element("rect", x=0, y=0, width=_SKETCH_WIDTH, height=_SHARE_HEIGHT, class_="history")]
    for number, (begin, end) in enumerate(pairwise(ends)):
        value, rows = sketch.values[number]
        hint = title(f"{value}: {rows / count:.1%}")
        tint = f"reign tint{number % 2}"
        parts.append(element("rect", hint, x=begin, y=0, width=max(end - begin - 0.8, 0.8), height=_SHARE_HEIGHT, class_=tint))
    label = ", ".join(f"{value} {rows / count:.0%}" for value, rows in sketch.values)
    return drawing(*parts, height=_SHARE_HEIGHT, width=_SKETCH_WIDTH, label=label, class_="sketch")
