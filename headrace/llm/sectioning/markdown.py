"""Markdown: rendered to HTML by its own rules, then split as a page is."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

from headrace.llm.sectioning import html
from headrace.llm.sectioning.section import Part

# Settings of a page before its text, between two lines of dashes.
_FRONT_MATTER = re.compile(r"\A---\n.*?\n(---|\.\.\.)\n", re.DOTALL)


def read_parts(document: str) -> Iterator[Part]:
    """Parts of a document. HTML in it is read as HTML, so scripts are dropped here too."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    yield from html.read_parts(renderer.render(_FRONT_MATTER.sub("", document)))
