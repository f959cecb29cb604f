"""Where the console's pages lie, how they are drawn alike, and how they get there whole."""

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from headrace.console.quality_page import render_quality_page
from headrace.lake import tables
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count, format_span


def story_path(settings: Settings, case: UseCase) -> Path:
    """The page that tells the story of a use case."""
    return settings.pages_root / f"story_{case.name}.html"


def quality_path(settings: Settings, case: UseCase) -> Path:
    """The page about what was expected of its batches, and what came."""
    return settings.pages_root / f"quality_{case.name}.html"


def runs_path(settings: Settings, case: UseCase) -> Path:
    """The page about runs, versions and what waits for a person."""
    return settings.pages_root / f"runs_{case.name}.html"


def catalog_path(settings: Settings, use_case: str | None) -> Path:
    """The page of every table and feature, of one use case or of all of the clone."""
    return settings.pages_root / (f"catalog_{use_case}.html" if use_case else "catalog.html")


def list_pages(settings: Settings, case: UseCase) -> dict[str, str]:
    """The other pages about a use case that have been written, by what they are called."""
    paths = {"Story": story_path(settings, case), "Quality": quality_path(settings, case), "Runs": runs_path(settings, case)}
    return {name: path.name for name, path in paths.items() if path.exists()}


def name_place(settings: Settings, case: UseCase) -> str:
    """The values by which a verb shows the same again: `USE_CASE=flight_delay ENV=dev OF=prod`."""
    of = f" OF={settings.looks_at}" if settings.looks_at else ""
    return f"USE_CASE={case.name} ENV={settings.environment}{of}"


def build_templates() -> Environment:
    """Templates that escape what rows hold and stop at a name that nobody set."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {
        "day": _day,
        "count": "{:,}".format,
        "percent": _percent,
        "figure": _figure,
        "listed": _listed,
        "counted": format_count,
        "span": format_span,
    }
    return templates


def render_markdown(source: str) -> Markup:
    """Markdown as HTML, its headings two steps down; HTML in the source is shown, not obeyed."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(source)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
    # markdown-it escapes whatever it does not understand, and HTML is switched off.
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - the parser escapes HTML in what it renders


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y}"


def _percent(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{value:.{decimals}%}"


def _figure(value: float | None, decimals: int = 4) -> str:
    return "–" if value is None else f"{value:.{decimals}f}" if abs(value) < 1_000 else f"{value:,.5g}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def write_quality_page(settings: Settings, case: UseCase) -> Path:
    """Write the data quality page and return where it lies."""
    rows = tables.read(settings, "metrics.data_quality").filter(pl.col("use_case") == case.name).collect()
    return write_page(quality_path(settings, case), render_quality_page(rows))


def write_page(path: Path, text: str) -> Path:
    """Replace a page at once: a reader, or a run that is killed, never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    # Temporary files are readable by their owner only; a page is for whoever may read the folder.
    Path(half).chmod(0o644)
    return Path(half).replace(path)
