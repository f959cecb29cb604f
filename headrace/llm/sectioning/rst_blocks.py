"""Blocks of reStructuredText as readable text: markup for machines dropped, code kept as it is, notes and signatures said in words."""

import re
from collections.abc import Iterator, Mapping, Sequence

from headrace.llm.sectioning.rst_inline import read_inline

_DIRECTIVE = re.compile(r"(?P<indent> *)\.\. (?P<name>[A-Za-z][\w:+.-]*)::(?:\s+(?P<argument>.*))?$")
_FOOTNOTE = re.compile(r"(?P<indent> *)\.\. (?P<label>\[[^\]]+\])\s+(?P<text>.*)$")
_EXPLICIT = re.compile(r" *(\.\.( |$)|__ )")
_OPTION = re.compile(r"\s*:[\w-]+:(\s|$)")
_BORDER = re.compile(r"\s*(=+( +=+)*|-+( +-+)+|([=\-~^\"'*+#.:_`])\4{3,})\s*")
_GRID_BORDER = re.compile(r"\s*\+[-=+]+\+\s*")

# Written for the index, the tables of contents, the highlighter or a machine: no reader of the page sees it.
_FOR_MACHINES = (
    "index module currentmodule sectionauthor moduleauthor codeauthor highlight highlightlang toctree contents tabularcolumns program "
    "default-domain testsetup testcleanup raw image include literalinclude audit-event-table limited-api-list miscnews role rst-class "
    "cssclass meta default-role py:module py:currentmodule"
)
# Code, output and grammar: every blank counts.
_CODE = "code code-block sourcecode doctest testcode testoutput parsed-literal productionlist math literal"
# Descriptions of an object: its signature stands where others have an argument.
_DESCRIPTIONS = (
    "function method attribute data class exception decorator classmethod staticmethod abstractmethod coroutinemethod coroutinefunction "
    "awaitablefunction awaitablemethod decoratormethod property cmdoption option envvar opcode object describe pdbcommand "
    "member type var macro struct union enum enumerator expr alias"
)
_DROPPED, _VERBATIM, _OBJECTS = (frozenset(names.split()) for names in (_FOR_MACHINES, _CODE, _DESCRIPTIONS))

_SAYINGS: Mapping[str, str] = {
    "versionadded": "New in version {}:",
    "versionchanged": "Changed in version {}:",
    "deprecated": "Deprecated since version {}:",
    "deprecated-removed": "Deprecated since version {}:",
}
_TITLES: Mapping[str, str] = {
    "note": "Note:",
    "warning": "Warning:",
    "caution": "Caution:",
    "danger": "Danger:",
    "error": "Error:",
    "important": "Important:",
    "tip": "Tip:",
    "hint": "Hint:",
    "attention": "Attention:",
    "seealso": "See also:",
    "impl-detail": "CPython implementation detail:",
    "availability": "Availability:",
}


def read_blocks(lines: Sequence[str]) -> Iterator[str]:
    """Readable lines of a stretch of a document; indentation stays, so code and lists keep their shape."""
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line.strip():
            yield ""
            number += 1
        elif _EXPLICIT.match(line):
            end = _find_end(lines, number + 1, _indent(line)) if line.strip() != ".." else number + 1
            yield from _read_explicit(line, lines[number + 1 : end])
            number = end
        else:
            end = _find_paragraph_end(lines, number)
            yield from _read_paragraph(lines[number:end])
            number = end
            if lines[end - 1].rstrip().endswith("::"):
                number = _find_end(lines, end, _indent(lines[end - 1]))
                yield from lines[end:number]


def _read_explicit(first: str, body: Sequence[str]) -> Iterator[str]:
    """A directive or a footnote; comments, targets and substitutions are not read by anybody."""
    if footnote := _FOOTNOTE.match(first):
        yield from read_blocks([f"{footnote['indent']}{footnote['label']} {footnote['text']}", *body])
        return
    found = _DIRECTIVE.match(first)
    if found is None:
        return
    name, argument, indent = found["name"].lower(), (found["argument"] or "").strip(), found["indent"]
    if name in _DROPPED:
        return
    if name in _VERBATIM:
        yield from ["", *([indent + argument] if name in ("productionlist", "math") else []), *_without_options(body), ""]
    elif name.rpartition(":")[2] in _OBJECTS:
        signature, rest = _split_signature(body)
        yield from [_clean_signature(line) for line in (indent + argument, *signature) if line.strip()]
        yield from read_blocks(rest)
    else:
        yield from read_blocks([*_say(name, argument, indent), *_without_options(body)])


def _say(name: str, argument: str, indent: str) -> list[str]:
    """What a directive's first line says; of an unknown one its argument, so that nothing is lost."""
    if name in _SAYINGS:
        versions = 2 if name == "deprecated-removed" else 1
        words = argument.split(maxsplit=versions)
        said = _SAYINGS[name].format(", removed in version ".join(words[:versions]))
        return [f"{indent}{said} {words[versions] if len(words) > versions else ''}".rstrip()]
    if name == "audit-event":
        return [f"{indent}Raises an auditing event {argument.partition(' ')[0]}."]
    if name in ("only", "list-table", "figure"):
        return []
    said = f"{_TITLES.get(name, '')} {argument}".strip()
    return [indent + said] if said else []


def _without_options(body: Sequence[str]) -> Sequence[str]:
    number = 0
    while number < len(body) and _OPTION.match(body[number]):
        number = _find_end(body, number + 1, _indent(body[number]))
    return body[number:]


def _split_signature(body: Sequence[str]) -> tuple[list[str], Sequence[str]]:
    """Further signatures of the same object, until its options or its description begin."""
    number = 0
    while number < len(body) and body[number].strip() and not _OPTION.match(body[number]):
        number += 1
    return list(body[:number]), _without_options(body[number:])


def _clean_signature(line: str) -> str:
    return re.sub(r"\\(.?)", r"\1", line.rstrip())


def _read_paragraph(lines: Sequence[str]) -> Iterator[str]:
    if lines[0].lstrip().startswith(">>>"):
        yield from lines
        return
    kept = [line for line in lines if not _BORDER.fullmatch(line) and not _GRID_BORDER.fullmatch(line)]
    text = "\n".join(_open_cells(line) for line in kept)
    if text.rstrip().endswith("::"):
        # `::` announces code: alone or after a blank it vanishes, after a word one colon stays.
        text = text.rstrip()[:-2]
        text = text.rstrip() if text[-1:].isspace() else f"{text}:" if text else ""
    yield from read_inline(text).split("\n") if text.strip() else []


def _open_cells(line: str) -> str:
    """A row of a grid table or a line block without its bars."""
    text = line.strip()
    if text.startswith("|") and text.endswith("|") and len(text) > 1:
        return " " * _indent(line) + "  ".join(cell.strip() for cell in text.split("|") if cell.strip())
    return " " * _indent(line) + text[2:] if text.startswith("| ") else line.rstrip()


def _find_paragraph_end(lines: Sequence[str], start: int) -> int:
    end = start + 1
    while end < len(lines) and lines[end].strip() and not _EXPLICIT.match(lines[end]):
        end += 1
    return end


def _find_end(lines: Sequence[str], start: int, indent: int) -> int:
    """The end of the block whose lines are indented by more; blank lines behind it are not its own."""
    end = last = start
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
        last = end if lines[end - 1].strip() else last
    return last


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
