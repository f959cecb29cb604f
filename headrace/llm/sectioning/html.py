"""HTML: the main part of a page, section by heading; navigation, side bars, footers, scripts and header links are dropped."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from headrace.llm.sectioning.section import Part

# Boilerplate: the same on every page, or written for a browser. What its style hides no reader sees, and orders to an assistant stand there.
_DROPPED = (
    "script, style, template, noscript, nav, footer, aside, form, button, svg, iframe, head, [hidden], [role=navigation], [role=search], "
    "[style*='display:none' i], [style*='display: none' i], "
    "[aria-hidden=true], .sidebar, .sphinxsidebar, .related, .toctree-wrapper, .headerlink, .anchor-link, .breadcrumbs, .toc, #toc"
)
# Where the text of a page is, most telling first; a page may have several articles, and then all of its body is read.
_MAIN = ("main", "[role=main]", "article")

_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_PARAGRAPH_TAGS = "p div section article main header table ul ol dl blockquote figure figcaption details summary address fieldset hr pre"
_LINE_TAGS = "br li dt dd tr thead tbody caption"
_PARAGRAPHS, _LINES = (frozenset(tags.split()) for tags in (_PARAGRAPH_TAGS, _LINE_TAGS))
_CELLS = frozenset(("td", "th"))

# What separates pieces until they are joined: no text holds these, because its blanks are one space each.
_PARAGRAPH, _LINE, _CELL, _VERBATIM = "\f", "\r", "\t", "\v"


def read_parts(document: str) -> Iterator[Part]:
    """Parts of a page: what stands before its first heading, then one per heading."""
    page = LexborHTMLParser(document)
    title = page.css_first("title")
    page_title = _squeeze(title.text()) if title else ""
    for node in page.css(_DROPPED):
        node.decompose()
    level, heading, anchor, pieces = 0, "", None, []
    for piece in _read_pieces(_find_main(page)):
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        yield Part(level=level, title=heading, anchor=anchor, text=_join(pieces))
        level, heading, anchor, pieces = int(str(piece.tag)[1]), _squeeze(piece.text()), _find_anchor(piece), []
    # A page without a heading is called what its browser's tab is.
    yield Part(level=level, title=heading or ("" if level else page_title), anchor=anchor, text=_join(pieces))


def _find_main(page: LexborHTMLParser) -> LexborNode | None:
    found = [nodes[0] for selector in _MAIN if len(nodes := page.css(selector)) == 1]
    return found[0] if found else page.body


def _read_pieces(root: LexborNode | None) -> Iterator[str | LexborNode]:
    """Text in the order of the page, with what separates it; a heading as its node. With a stack, for a page may be nested without end."""
    stack: list[LexborNode | str] = [root] if root is not None else []
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
            continue
        tag = str(node.tag)
        if tag in _HEADINGS:
            yield node
        elif tag == "-text":
            yield re.sub(r"\s+", " ", node.text(deep=False) or "")
        elif tag == "pre":
            text = re.sub(r"[\r\f\v]", "", (node.text() or "").expandtabs().strip("\n").rstrip())
            yield f"{_PARAGRAPH}{_VERBATIM}{text}{_PARAGRAPH}"
        elif not tag.startswith(("-", "_", "!")):
            before, after = _find_separators(tag)
            yield before
            stack += [after, *reversed(list(node.iter(include_text=True)))]


def _find_separators(tag: str) -> tuple[str, str]:
    if tag in _PARAGRAPHS:
        return _PARAGRAPH, _PARAGRAPH
    if tag in _LINES:
        return f"{_LINE}- " if tag == "li" else _LINE, _LINE
    return "", _CELL if tag in _CELLS else ""


def _find_anchor(heading: LexborNode) -> str | None:
    """Its own id, or that of the section that it opens."""
    own = heading.attributes.get("id")
    parent = heading.parent
    opened = parent.attributes.get("id") if parent is not None and parent.tag in ("section", "div", "article") else None
    return own or opened or None


def _squeeze(text: str | None) -> str:
    return " ".join((text or "").split())


def _join(pieces: list[str]) -> str:
    """The text of a section: separators that meet count once, the strongest of them; verbatim text keeps its blanks."""
    text = re.sub(r"(^|[\r\f])- [ \r\f]+", r"\1- ", "".join(pieces))
    text = re.sub(r"[ \t\r]*\f[ \t\r\f]*", "\n\n", text)
    text = re.sub(r"[ \t\r]*\r[ \t\r]*", "\n", text)
    return re.sub(r" *\t *", "  ", text).strip("\n ").replace(_VERBATIM, "")
