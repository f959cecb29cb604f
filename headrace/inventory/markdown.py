"""The catalog as Markdown: what contracts and use cases say, and nothing of any lake, so that it changes with the clone only."""

import re
from collections.abc import Iterable, Sequence
from os.path import relpath

from headrace.inventory.entries import TableEntry, list_entries
from headrace.inventory.features import FeatureEntry, list_features
from headrace.lake.catalog import LAYERS
from headrace.lake.contracts import Column
from headrace.use_case import UseCase
from headrace.words import format_count, format_span

# Where the page lies, below the root: links to contracts are relative to it.
FOLDER = "docs/reference"

# A closed list that is longer is counted, not written out.
_LISTED_VALUES = 8


def render_features(cases: Sequence[UseCase]) -> str:
    """Every feature, use case by use case and view by view."""
    parts: list[str] = []
    for case in cases:
        label = f"Label `{case.label.name}`: {escape(case.label.description)}"
        kept = f"Features version {case.features.version}; views are refreshed every {format_span(case.features.refresh)}, for the online store too."
        parts += [f"### Features of {case.name}", f"{escape(case.title)} {label} {kept}"]
        header = ("Feature", "Meaning", "Type", "Unit", "View", "Made from")
        parts.append(render_table(header, [_list_feature_cells(feature) for feature in list_features(case)]))
    return "\n\n".join(parts) or "No use case is tracked in this clone."


def render_tables(cases: Sequence[UseCase]) -> str:
    """Every table, layer by layer: an overview, then each with its columns; rejected rows are in the overview only."""
    entries = list_entries(cases)
    overview = render_table(
        ("Table", "Meaning", "One row is", "Made by", "Owner"),
        [
            (_link(entry, entries), _describe(entry), escape(entry.contract.grain if entry.contract else ""), _list_codes(entry.made_by), _own(entry))
            for entry in entries
        ],
    )
    parts = [overview]
    for layer in LAYERS:
        found = [entry for entry in entries if entry.layer == layer and not entry.is_rejected]
        parts += [f"### {layer.capitalize()}", *(part for entry in found for part in _render_entry(entry))]
    return "\n\n".join(parts)


def replace_between(text: str, *, begin: str, end: str, content: str, document: str) -> str:
    """A document with other content between two marks, each of which stays on a line of its own.

    Args:
        text: The document.
        begin: First mark.
        end: Second mark.
        content: What comes between them.
        document: Its name, for the error.

    Raises:
        ValueError: A mark is missing, so nobody can tell what would be overwritten.
    """
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{document} lacks the marks {begin} ... {end}, between which its table goes")
    return f"{before}{begin}\n{content}\n{end}{after}"


def render_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])


def escape(text: str) -> str:
    """Text as Markdown shows it in a cell: no cell is cut, no tag begins, and nothing of it is a link or stands out."""
    return re.sub(r"([\\*\[\]|])", r"\\\1", " ".join(text.split())).replace("<", "&lt;")


def describe_allowed(column: Column) -> str:
    """Which values a column may have, where its contract says so: `0 to 250`, `EWR, JFK, LGA`; of a personal column no value is named."""
    if column.allowed is not None:
        is_short = len(column.allowed) <= _LISTED_VALUES and column.pii == "none"
        return ", ".join(map(str, column.allowed)) if is_short else f"{len(column.allowed)} listed values"
    if column.range is None:
        return ""
    low, high = column.range
    if low is None or high is None:
        return f"at least {low:g}" if low is not None else f"at most {high:g}"
    return f"{low:g} to {high:g}"


def _list_feature_cells(feature: FeatureEntry) -> tuple[str, ...]:
    meaning = feature.meaning or "The contract of the feature table does not have it."
    made_from = _list_codes(feature.inputs) if feature.view else "the row's own request"
    view = f"`{feature.view}`, last {format_span(feature.lookback)}" if feature.view and feature.lookback else "on demand"
    made_from += f", at most {feature.stale_hours:g} hours old" if feature.stale_hours is not None else ""
    return f"`{feature.name}`", escape(meaning), feature.type, escape(feature.unit or ""), view, made_from


def _render_entry(entry: TableEntry) -> list[str]:
    contract = entry.contract
    if contract is None:
        return [f"#### {entry.name}", f"No contract yet: write `data_contracts/{entry.use_case}/{entry.name}.yaml`."]
    key = f"{_list_codes(contract.key.columns)} ({contract.key.on_repeat} on repeat)" if contract.key else "none"
    stale = "never stale" if contract.freshness_hours is None else f"stale after {contract.freshness_hours:g} hours"
    person = f"; a person is found by `{contract.subject_key}`" if contract.subject_key else ""
    file = f"[version {contract.version}]({relpath(entry.file, FOLDER)})" if entry.file else f"version {contract.version}"
    facts = [f"Key {key}", f"contract {file}", stale, f"retention {format_count(contract.retention_days, 'day')}{person}"]
    origin = _list_codes(entry.made_from) or escape(entry.source or "")
    facts += [f"made from {origin}"] if origin else []
    facts += [f"leads to {_list_codes(entry.leads_to)}"] if entry.leads_to else []
    columns = [_list_column_cells(entry, name, column) for name, column in contract.columns.items()]
    table = render_table(("Column", "Meaning", "Type", "Unit", "Null", "Allowed"), columns)
    return [f"#### {entry.name}", escape(contract.description), "; ".join(facts) + ".", table]


def _list_column_cells(entry: TableEntry, name: str, column: Column) -> tuple[str, ...]:
    mark = f" Personal: {column.pii}." if column.pii != "none" else " Personal." if name in entry.personal else ""
    cells = (f"`{name}`", escape(column.description) + mark, column.type, escape(column.unit or ""))
    return *cells, "yes" if column.nullable else "no", escape(describe_allowed(column))


def _link(entry: TableEntry, entries: Sequence[TableEntry]) -> str:
    # A heading's anchor loses the dot; rejected rows have no section of their own.
    return f"`{entry.name}`" if entry.is_rejected else f"[{entry.name}](#{entry.name.replace('.', '')})"


def _describe(entry: TableEntry) -> str:
    return escape(entry.contract.description) if entry.contract else "No contract yet."


def _own(entry: TableEntry) -> str:
    return escape(entry.contract.owner) if entry.contract else ""


def _list_codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
