"""A section: what one heading of a document says, without what stands under its subheadings."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Between the titles of a path.
PATH_SEPARATOR = " > "

# The anchor of what stands before the first heading.
BEGINNING = "beginning"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One heading and the text below it, as a reader of a format finds it.

    Attributes:
        level: Depth of the heading, 1 for the document's own; 0: text before the first heading.
        title: The heading; empty before the first.
        anchor: Name that the document itself gives to this place; None: it gives none.
        text: Text until the next heading, of whatever level.
    """

    level: int
    title: str
    anchor: str | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of one version of a document.

    Attributes:
        section_id: `<document_id>#<anchor>`, unique in the document. It stays when other sections come, go or change, unless
            they have the same title and come before it.
        position: Its place among the sections of the document, from 0.
        title: Its heading; of text before the first heading the document's name.
        heading_path: Titles from the document's own heading down to this one, joined by " > ".
        text: What it says; never empty.
    """

    section_id: str
    position: int
    title: str
    heading_path: str
    text: str


def build_sections(parts: Iterable[Part], *, document_id: str) -> list[Section]:
    """Name the parts of a document. A heading without text of its own is no section, but stays in the path of those below it."""
    path: list[Part] = []
    taken: set[str] = set()
    sections: list[Section] = []
    name = document_id.rpartition("/")[2]
    for part in parts:
        path = [above for above in path if above.level < part.level] + ([part] if part.title else [])
        titles = [above.title for above in path] or [name]
        # Taken by a heading without text too: whether it has any must not rename another.
        anchor = _choose_anchor(part, path, taken)
        taken.add(anchor)
        text = part.text.strip("\n")
        if text.strip():
            joined = PATH_SEPARATOR.join(titles)
            sections.append(Section(section_id=f"{document_id}#{anchor}", position=len(sections), title=titles[-1], heading_path=joined, text=text))
    return sections


def slug(title: str) -> str:
    """A title as an anchor: lower case, words joined by dashes, letters of every script kept."""
    return re.sub(r"[\W_]+", "-", title.lower()).strip("-")


def _choose_anchor(part: Part, path: list[Part], taken: set[str]) -> str:
    """The document's own anchor, else the title's words, else those of the titles above too, else a number."""
    own = part.anchor or slug(part.title) or BEGINNING
    longer = [".".join(slug(above.title) or BEGINNING for above in path[-depth:]) for depth in range(2, len(path) + 1)]
    numbered = (f"{own}-{number}" for number in range(2, len(taken) + 3))
    return next(anchor for anchor in [own, *longer, *numbered] if anchor not in taken)
