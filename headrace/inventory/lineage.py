"""What is made from what, read off the cards of the flows and the declarations of a use case; nobody writes it a second time.

A card names tables in its own notation: `bronze.<use_case>_<feed>` is each feed's table, `silver.<use_case>_*` those that the use
case declares to be read: its features' inputs, or the label's where `(labels)` follows. What stands as `(from ...)` behind a table
that is written is what that one is made from; any other table is made from all that its flow reads.
"""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from headrace.lake import catalog
from headrace.lake.runs import TABLE as RUNS
from headrace.settings import ROOT
from headrace.use_case import UseCase

FLOWS = ROOT / "flows"

_TABLE = re.compile(rf"(?P<pattern>(?:{'|'.join(catalog.LAYERS)})\.[a-z_<>*]+)(?: \((?P<note>[^)]*)\))?")
_FEED = "<feed>"
_DECLARED = "*"
_LABELS = "labels"
_FROM = "from "

# Flows whose names begin so are for this kind of use case only.
_ASSISTANT_FLOWS = "llm_"
_ASSISTANT = "assistant"


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Which flow makes which table from which others.

    Attributes:
        made_from: Table -> flow that writes it -> tables it is made from there.
        origins: Table -> what a card says it is made from, where that is no table.
        read_by: Table -> flows that read it.
    """

    made_from: Mapping[str, Mapping[str, frozenset[str]]]
    origins: Mapping[str, str]
    read_by: Mapping[str, tuple[str, ...]]

    def list_upstream(self, table: str) -> list[str]:
        """Tables that a table is made from, sorted; that its own rows before are read as well is left out."""
        return sorted(set().union(*self.made_from.get(table, {}).values()) - {table})

    def list_downstream(self, table: str) -> list[str]:
        """Tables that are made from a table, sorted."""
        return sorted(made for made in self.made_from if table in self.list_upstream(made))


@lru_cache(maxsize=8)
def read_cards(folder: Path = FLOWS) -> Mapping[str, str]:
    """Flow -> its card: the docstring of its file."""
    paths = sorted(folder.glob("[a-z]*.py"))
    return {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in paths}


def build_lineage(case: UseCase, cards: Mapping[str, str]) -> Lineage:
    """All that the cards of the flows say about the tables of one use case. Rows about the runs themselves are made from nothing."""
    made: dict[str, dict[str, frozenset[str]]] = {}
    origins: dict[str, str] = {}
    read: dict[str, list[str]] = {}
    for flow, card in cards.items():
        if not _concerns(flow, case):
            continue
        for table, upstream in list_lineage(card, case).items():
            made.setdefault(table, {})[flow] = frozenset(upstream)
        origins |= _list_origins(card, case)
        if RUNS in dict(_list_patterns(card, "Writes")):
            made.setdefault(RUNS, {})[flow] = frozenset()
        for table in sorted(list_read(card, case)):
            read.setdefault(table, []).append(flow)
    return Lineage(made_from=made, origins=origins, read_by={table: tuple(flows) for table, flows in read.items()})


def _concerns(flow: str, case: UseCase) -> bool:
    """Whether a use case may run a flow: those of assistants are not for models of tables."""
    return case.kind == _ASSISTANT or not flow.startswith(_ASSISTANT_FLOWS)


def list_lineage(card: str, case: UseCase) -> dict[str, set[str]]:
    """What a card says is written, and what each of that is made from; a feed's table is made from that feed's.

    Args:
        card: Docstring of a flow's file.
        case: The use case that its notation stands for.

    Returns:
        Table written -> tables read, as `layer.noun`. The row about the run itself, which every flow writes, is left out.
    """
    lineage: dict[str, set[str]] = {}
    for pattern, note in _list_patterns(card, "Writes"):
        for feed in case.feeds if _FEED in pattern else [None]:
            (name,) = _expand(pattern, "", case, [feed or ""])
            if note.startswith(_FROM):
                lineage[name] = {table for other in _find_patterns(note) for table in _expand(*other, case, case.feeds)}
            else:
                lineage[name] = list_read(card, case, feeds=case.feeds if feed is None else [feed])
    lineage.pop(RUNS, None)
    return lineage


def list_read(card: str, case: UseCase, *, feeds: Iterable[str] | None = None) -> set[str]:
    """The tables that a card says are read, of some feeds only where they are given."""
    wanted = list(case.feeds if feeds is None else feeds)
    return {name for pattern, note in _list_patterns(card, "Reads") for name in _expand(pattern, note, case, wanted)}


def _list_origins(card: str, case: UseCase) -> dict[str, str]:
    notes = {pattern: note.removeprefix(_FROM) for pattern, note in _list_patterns(card, "Writes") if note.startswith(_FROM)}
    return {_expand(pattern, "", case, [])[0]: text for pattern, text in notes.items() if _FEED not in pattern and not _find_patterns(text)}


def _list_patterns(card: str, field: str) -> list[tuple[str, str]]:
    """Tables that a card names in a field, each with the note behind it."""
    found = re.search(rf"^{field} +(.+(?:\n +.+)*)", card, re.MULTILINE)
    return _find_patterns(found[1]) if found else []


def _find_patterns(text: str) -> list[tuple[str, str]]:
    return [(found["pattern"], found["note"] or "") for found in _TABLE.finditer(text)]


def _expand(pattern: str, note: str, case: UseCase, feeds: Iterable[str]) -> list[str]:
    named = pattern.replace("<use_case>", case.name)
    if _FEED in named:
        return [named.replace(_FEED, feed) for feed in feeds]
    if named.endswith(_DECLARED):
        nouns = case.label.inputs if note == _LABELS else case.features.inputs
        return [named.replace(_DECLARED, noun) for noun in nouns]
    return [named]
