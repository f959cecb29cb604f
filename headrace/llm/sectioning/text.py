"""Plain text: headings are lines that are underlined; without any, the document is one section."""

import re
from collections.abc import Iterator, Sequence

from headrace.llm.sectioning.section import Part

_UNDERLINE = re.compile(r"([=\-~*#])\1{3,}")


def read_parts(document: str) -> Iterator[Part]:
    """Parts of a text. Levels are numbered by the order in which underlines first occur."""
    lines = document.splitlines()
    marks = [number for number in range(1, len(lines)) if _is_underline(lines, number)]
    levels: dict[str, int] = {}
    starts = [0, *(number + 1 for number in marks)]
    ends = [*(number - 1 for number in marks), len(lines)]
    yield Part(level=0, title="", anchor=None, text=_join(lines[: ends[0]]))
    for number, start, end in zip(marks, starts[1:], ends[1:], strict=True):
        level = levels.setdefault(lines[number][0], len(levels) + 1)
        yield Part(level=level, title=lines[number - 1].strip(), anchor=None, text=_join(lines[start:end]))


def _is_underline(lines: Sequence[str], number: int) -> bool:
    """Whether a line underlines the one before it: that one has text, begins a paragraph and is no longer than its line."""
    line, above = lines[number].rstrip(), lines[number - 1].rstrip()
    is_line = _UNDERLINE.fullmatch(line) is not None and above != "" and _UNDERLINE.fullmatch(above) is None
    begins = number < 2 or not lines[number - 2].strip()
    return is_line and begins and len(above.strip()) <= len(line)


def _join(lines: Sequence[str]) -> str:
    return "\n".join(line.rstrip() for line in lines)
