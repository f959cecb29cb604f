"""reStructuredText as Sphinx publishes it under `_sources`: headings by their underlines, labels as anchors, text without markup.

This reads what a person would; it is no docutils: substitutions, included files and titles of other documents are not looked up.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace.llm.sectioning.rst_blocks import read_blocks
from headrace.llm.sectioning.rst_inline import read_inline
from headrace.llm.sectioning.section import Part

_LINE = re.compile(r"([!-/:-@\[-`{-~])\1+ *")
_LABEL = re.compile(r"\.\. _(`?)(?P<label>[^`:]+)\1: *")
_FIELD = re.compile(r":[\w-]+:(\s.*)?")


@dataclass(frozen=True, kw_only=True)
class _Heading:
    """Where a heading stands: its first line, the one after it, its title, and the style that tells its level."""

    first: int
    end: int
    title: str
    style: str


def read_parts(document: str) -> Iterator[Part]:
    """Parts of a document. Levels are numbered by the order in which the styles of headings first occur."""
    lines = _drop_fields(document.expandtabs(8).splitlines())
    headings = list(_find_headings(lines))
    levels: dict[str, int] = {}
    ends = [*(heading.first for heading in headings), len(lines)]
    yield Part(level=0, title="", anchor=None, text=_read_text(lines[: ends[0]]))
    for heading, end in zip(headings, ends[1:], strict=True):
        level = levels.setdefault(heading.style, len(levels) + 1)
        body = lines[heading.end : end]
        yield Part(level=level, title=read_inline(heading.title), anchor=_find_label(lines, heading.first), text=_read_text(body))


def _drop_fields(lines: Sequence[str]) -> list[str]:
    """Without the document's own settings, such as `:tocdepth: 2`, before its first paragraph."""
    number = 0
    while number < len(lines) and (not lines[number].strip() or _FIELD.fullmatch(lines[number])):
        number += 1
    return list(lines[number:])


def _find_headings(lines: Sequence[str]) -> Iterator[_Heading]:
    number = 0
    while number < len(lines):
        found = _read_overlined(lines, number) or _read_underlined(lines, number)
        if found:
            yield found
        number = found.end if found else number + 1


def _read_overlined(lines: Sequence[str], number: int) -> _Heading | None:
    if number + 2 >= len(lines) or not _is_line(lines[number]) or lines[number].rstrip() != lines[number + 2].rstrip():
        return None
    title = lines[number + 1].strip()
    is_title = title and not _is_line(title) and len(title) <= len(lines[number].rstrip())
    return _Heading(first=number, end=number + 3, title=title, style=lines[number][0] * 2) if is_title else None


def _read_underlined(lines: Sequence[str], number: int) -> _Heading | None:
    if number + 1 >= len(lines) or not lines[number][:1].strip() or not _is_line(lines[number + 1]) or _is_line(lines[number]):
        return None
    title, begins = lines[number].rstrip(), number == 0 or not lines[number - 1].strip() or _LABEL.fullmatch(lines[number - 1])
    # docutils takes an underline that is too short for one, with a warning, from four characters on.
    is_long = len(lines[number + 1].rstrip()) >= min(len(title), 4)
    return _Heading(first=number, end=number + 2, title=title, style=lines[number + 1][0]) if begins and is_long else None


def _is_line(line: str) -> bool:
    return _LINE.fullmatch(line) is not None


def _find_label(lines: Sequence[str], first: int) -> str | None:
    """The label right above a heading, by which others link to it: it stays when the title is reworded."""
    number = first - 1
    while number >= 0 and not lines[number].strip():
        number -= 1
    found = _LABEL.fullmatch(lines[number]) if number >= 0 else None
    return found["label"].strip() if found else None


def _read_text(lines: Sequence[str]) -> str:
    text = "\n".join(line.rstrip() for line in read_blocks(lines))
    return re.sub(r"\n{3,}", "\n\n", text)
