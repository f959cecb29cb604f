"""Markdown: rendered to HTML by its own rules, then split as a page is."""

import re
from collections.abc import Iterator
from html import escape

from markdown_it import MarkdownIt

from headrace.llm.sectioning import html
from headrace.llm.sectioning.section import Part

# Settings of a page before its text: YAML between two lines of dashes, or TOML between two of plus signs.
_FRONT_MATTER = re.compile(r"\A(?:---\n(?P<yaml>.*?\n)(?:---|\.\.\.)|\+\+\+\n(?P<toml>.*?\n)\+\+\+)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"""^title[ \t]*[:=][ \t]*(?P<quote>["']?)(?P<title>[^\n]*?\S)(?P=quote)[ \t]*$""", re.MULTILINE)


def read_parts(document: str) -> Iterator[Part]:
    """Parts of a document. HTML in it is read as HTML, so scripts are dropped here too.

    Generators of sites print the title that stands in a page's settings as its heading; it is one here where the page has no other.
    """
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    page = renderer.render(_FRONT_MATTER.sub("", document))
    settings = _FRONT_MATTER.match(document)
    title = _TITLE.search(settings["yaml"] or settings["toml"]) if settings else None
    yield from html.read_parts(f"<h1>{escape(title['title'])}</h1>\n{page}" if title and "<h1" not in page else page)
