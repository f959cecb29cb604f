"""The page of a notebook: what its cells show, one below the other, in one file that needs nothing from elsewhere and runs nothing."""

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from markupsafe import Markup

from headrace.console import pages
from headrace.explore.lake import Lake
from headrace.explore.sections import ANSWER_ROWS, Section, build_table, load_templates, read_style

# Controls of a notebook live by its server; in a page they would be empty boxes.
_ALIVE = re.compile(r"<(marimo-|script|iframe|object|embed|link)", re.IGNORECASE)


def page_path(lake: Lake) -> Path:
    """Where the page lies: beside the console's pages."""
    return lake.folder / f"explore_{lake.case.name}.html"


def write_page(lake: Lake, outputs: Sequence[object], *, notebook: str) -> Path:
    """Write the page of a notebook that has run, and return where it lies.

    Args:
        lake: The lake that it explored.
        outputs: What its cells ended with, in their order.
        notebook: The notebook's name, for the page's last line.
    """
    parts = [part for part in map(render_output, outputs) if part]
    return pages.write_page(page_path(lake), render_page(lake, parts, notebook=notebook))


def render_page(lake: Lake, parts: Sequence[Markup], *, notebook: str) -> str:
    """The page as text."""
    of = f" OF={lake.environment}" if lake.environment != lake.settings.environment else ""
    story = (Path(pages.__file__).parent / "templates" / "story.css").read_text(encoding="utf-8")
    return (
        load_templates()
        .get_template("page.html.j2")
        .render(
            title=f"A look at {lake.case.name}",
            place=f"USE_CASE={lake.case.name} ENV={lake.settings.environment}{of}",
            # Both sheets are ours, and a sheet's quotes and brackets must stay as they are.
            style=Markup(story + read_style()),  # noqa: S704 - files of this package, no row's value
            parts=parts,
            notebook=notebook,
        )
    )


def render_output(output: object) -> Markup | None:
    """What a cell showed, as far as it stands without a server: sections, frames, and text of the notebook's own.

    Whatever such a text holds, the page's Content-Security-Policy lets nothing of it run or load.
    """
    match output:
        case Section():
            return _frame(output)
        case pl.LazyFrame():
            return _frame(build_table(output.head(ANSWER_ROWS).collect()))
        case pl.DataFrame():
            return _frame(build_table(output))
    markup = getattr(output, "text", None)
    if not isinstance(markup, str) or _ALIVE.search(markup):
        return None
    return Markup('<div class="explore prose">{}</div>').format(Markup(markup))  # noqa: S704 - a cell's own markup; the page's policy lets none of it run


def _frame(section: Section) -> Markup:
    return Markup("<section>{}</section>").format(section.html)
