"""The sections of the notebook: measured rows in, a title and HTML out. The notebook shows them, and the page shows the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl
from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from headrace.console.pages import build_templates
from headrace.errors import HeadraceError
from headrace.explore import charts
from headrace.explore.charts import Lines
from headrace.explore.labels import HIGH, LOW, PERIOD_NAMES, Every, Measured
from headrace.explore.lake import Rows
from headrace.explore.profile import ColumnProfile
from headrace.explore.query import ANSWER_ROWS
from headrace.explore.windows import name_dates
from headrace.explore.words import format_value
from headrace.lake.contracts import Contract
from headrace.monitoring.windows import Window
from headrace.words import format_count

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the notebook that stands on its own: it brings its style along, and needs no script."""

    title: str
    body: Markup

    @property
    def html(self) -> Markup:
        """The section without its style, for a page that has it already."""
        return Markup('<div class="explore"><h2>{}</h2>{}</div>').format(self.title, self.body)

    def _repr_html_(self) -> str:
        return f"<style>{read_style()}</style>{self.html}"


@lru_cache(maxsize=1)
def read_style() -> str:
    """The style sheet of sections; all of it holds inside an element of the class `explore` only."""
    return (_TEMPLATES / "explore.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def load_templates() -> Environment:
    """The console's way to write pages, with the templates of exploration."""
    templates = build_templates()
    templates.loader = FileSystemLoader(_TEMPLATES)
    templates.filters |= {"distribution": _draw_distribution, "breakable": _break_name}
    return templates


def _draw_distribution(column: ColumnProfile) -> Markup:
    return charts.draw_distribution(column.bars, column.hints, name=column.name) if column.bars else Markup("")


def _break_name(name: str) -> Markup:
    """A name that may go on in the next line behind an underscore."""
    return Markup("_<wbr>").join(name.split("_"))


def build_sentence(title: str, words: str, *, is_warning: bool = False) -> Section:
    """A section that has nothing to draw, and says why."""
    return _build(title, "sentence", words, "warning" if is_warning else "empty")


def build_profile(table: str, contract: Contract | None, rows: Rows, columns: Sequence[ColumnProfile]) -> Section:
    """What every column of a table holds."""
    return _build(f"Profile of {table}", "profile", table, contract, rows, columns)


def build_over_time(measured: Measured, *, label: str, every: Every) -> Section:
    """A label over time, with the number of rows behind each point."""
    title, instants = f"{label} over time", measured.groups["period_start"].to_list()
    if not measured.groups["label_count"].sum():
        return build_sentence(title, "No row has a known label yet.")
    if len(instants) < 2:
        return build_sentence(title, f"All labelled rows lie in one {PERIOD_NAMES[every]}; choose a shorter period.")
    lines = _build_lines(measured)
    drawing = charts.draw_over_time(instants, lines, label=f"{title}: {', '.join(measured.measures)} by {PERIOD_NAMES[every]}.")
    note = f"One point is one {PERIOD_NAMES[every]} (UTC; weeks begin on Mondays). The first and the last may be incomplete."
    return _build(title, "chart", _describe_overall(measured, lines), drawing, measured.measures, note)


def build_by_feature(measured: Measured, *, label: str, feature: str, contract: Contract | None) -> Section:
    """A label against a feature, group by group."""
    title, names = f"{label} against {feature}", [str(name) for name in measured.groups["group"]]
    if not measured.groups["label_count"].sum():
        return build_sentence(title, "No row has a known label yet.")
    lines = _build_lines(measured)
    drawing = charts.draw_groups(names, lines, measured.overall, label=f"{title}: {', '.join(measured.measures)} in {len(names)} groups.")
    meaning = contract.columns[feature].description if contract and feature in contract.columns else ""
    note = "Broken strokes: all rows together. Rows without a label count as rows and not in the measures."
    return _build(title, "chart", f"{meaning} {_describe_overall(measured, lines)}".strip(), drawing, measured.measures, note)


def build_drift(measured: pl.DataFrame, *, current: Window, reference: Window, threshold: float) -> Section:
    """The distance of every feature between two windows."""
    title = f"Drift: {_name_window(current)} against {_name_window(reference)}"
    known = measured.filter(pl.col("value").is_not_null())
    unknown = measured.filter(pl.col("value").is_null())
    if known.is_empty():
        reason = unknown["reason"][0] if unknown.height else "there are no features"
        return build_sentence(title, f"Nothing can be compared: {reason}. Choose longer windows.")
    drifted = known.filter(pl.col("is_drifted")).height
    lie = "lies" if drifted == 1 else "lie"
    lead = f"{drifted} of {format_count(known.height, 'feature')} {lie} {threshold:g} nats or more apart (PSI, as monitoring computes it)."
    note = "; ".join(f"{name}: {reason}" for name, reason in unknown.select("feature", "reason").iter_rows())
    drawing = charts.draw_drift(dict(known.select("feature", "value").iter_rows()), threshold=threshold)
    return _build(title, "chart", lead, drawing, [], f"Not compared: {note}." if note else "")


def build_answer(answer: pl.DataFrame | HeadraceError) -> Section:
    """The rows of an answer to a query, or why there is none."""
    if isinstance(answer, HeadraceError):
        return build_sentence("SQL", f"{type(answer).__name__}: {answer}", is_warning=True)
    return _build_rows("SQL", answer, f"The first {ANSWER_ROWS} rows." if answer.height == ANSWER_ROWS else f"Rows: {answer.height:,}.")


def build_table(rows: pl.DataFrame) -> Section:
    """A frame that somebody's own cell ends with."""
    return _build_rows("Table", rows.head(ANSWER_ROWS), f"Rows: {min(rows.height, ANSWER_ROWS):,} of {rows.height:,}.")


def _build_rows(title: str, rows: pl.DataFrame, lead: str) -> Section:
    names = [(name, dtype.is_numeric()) for name, dtype in rows.schema.items()]
    return _build(title, "answer", lead, names, [[format_value(value) for value in row] for row in rows.iter_rows()])


def _build(title: str, macro: str, *values: object) -> Section:
    template: Template = load_templates().get_template("sections.html.j2")
    body = getattr(template.module, macro)(*values)
    return Section(title=title, body=body)


def _build_lines(measured: Measured) -> Lines:
    values = {name: measured.groups[name].to_list() for name in measured.measures}
    band = (LOW, HIGH) if measured.kind == "number" else None
    return Lines(values=values, counts=measured.groups["row_count"].to_list(), is_share=measured.is_share, band=band)


def _describe_overall(measured: Measured, lines: Lines) -> str:
    figures = ", ".join(f"{name} {lines.write(value)}" for name, value in measured.overall.items())
    return f"Of all {measured.groups['label_count'].sum():,} labelled rows: {figures}."


def _name_window(window: Window) -> str:
    return " to ".join(f"{day.day} {day:%b %Y}" for day in name_dates(window))
