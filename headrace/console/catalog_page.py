"""The catalog page: every table and feature of an environment, by what contracts promise and the lake holds."""

from datetime import datetime
from typing import Any

from headrace import use_case as use_cases
from headrace.console.catalog_plots import Node, draw_lineage, draw_sketch
from headrace.console.pages import build_templates, catalog_path, list_pages, write_page
from headrace.inventory.entries import TableEntry
from headrace.inventory.features import FeatureEntry
from headrace.inventory.markdown import describe_allowed
from headrace.inventory.reading import Catalog, read_catalog
from headrace.lake.catalog import LAYERS
from headrace.lake.contracts import SYSTEM_COLUMNS
from headrace.settings import Settings, read_declared
from headrace.use_case import UseCase
from headrace.words import format_count

# What the platform itself adds to every bronze and silver row.
SYSTEM_MEANINGS = {
    "_ingested_at": "Instant that the ingestion stood for.",
    "_source": "Where the row came from.",
    "_batch_id": "Batch that brought it.",
}


def write_catalog(settings: Settings, use_case: str | None) -> str:
    """Write the page about one use case, or about all of the clone, and say in a few lines what is in it and where it is."""
    names = use_cases.names()
    cases = [use_cases.load(name) for name in ([use_case] if use_case else names)]
    catalog = read_catalog(settings, cases, others=[name for name in names if use_case and name != use_case])
    path = write_page(catalog_path(settings, use_case), render_catalog(settings, catalog, use_case=use_case))
    return f"{summarize(catalog)}\n{path}"


def summarize(catalog: Catalog) -> str:
    """The catalog in a few lines."""
    written, declared = len(catalog.states), len(catalog.entries)
    lines = {
        "tables": f"{declared}: {written} written with {format_count(catalog.row_count, 'row')}, {len(catalog.unwritten)} not yet",
        "features": f"{len(catalog.features)} of {', '.join(case.name for case in catalog.cases)}",
        "personal": f"{format_count(len(catalog.personal), 'column')}, shown as counts only",
        "stale": ", ".join(catalog.stale) or "none",
        "no contract": ", ".join(catalog.unpromised) or "none",
    }
    return "\n".join(f"  {name:<14}{value}" for name, value in lines.items())


def render_catalog(settings: Settings, catalog: Catalog, *, use_case: str | None = None) -> str:
    """The page as HTML, complete in itself."""
    of = f" OF={settings.looks_at}" if settings.looks_at else ""
    context: dict[str, Any] = {
        "settings": settings,
        "catalog": catalog,
        "title": use_case or "all use cases",
        "clocks": _list_clocks(catalog),
        "layers": {layer: _list_tables(settings, catalog, layer) for layer in LAYERS},
        "groups": [(case, _list_views(catalog, case), _draw(catalog, case)) for case in catalog.cases],
        "column_count": sum(len(entry.contract.columns) for entry in catalog.entries if entry.contract),
        "pages": [(case, list_pages(settings, case)) for case in catalog.cases],
        "verb": f"make catalog{f' USE_CASE={use_case}' if use_case else ''} ENV={settings.environment}{of}",
    }
    templates = build_templates()
    templates.filters |= {"minute": format_minute}
    return templates.get_template("catalog.html.j2").render(context)


def _list_clocks(catalog: Catalog) -> dict[str, datetime]:
    """The instant (UTC) that each use case has reached, by its name; one without a name where all of them have reached the same."""
    known = {name: instant for name, instant in catalog.clocks.items() if instant}
    days = {instant.date() for instant in known.values()}
    return {"": max(known.values())} if len(days) == 1 and len(known) == len(catalog.clocks) else known


def format_minute(instant: datetime) -> str:
    """An instant (UTC) to the minute."""
    return f"{instant:%Y-%m-%d %H:%M}"


def _list_tables(settings: Settings, catalog: Catalog, layer: str) -> list[dict[str, Any]]:
    """What the page shows of every table of a layer."""
    upstream = _find_upstream(settings)
    known = {entry.name for entry in catalog.entries}
    rows = []
    for entry in (found for found in catalog.entries if found.layer == layer):
        source = f"{upstream}.{entry.name}" if upstream and layer == "bronze" and entry.use_case else entry.source
        rows.append(
            {
                "entry": entry,
                "contract": entry.contract,
                "state": catalog.states.get(entry.name),
                "columns": _list_columns(catalog, entry),
                "source": source,
                "linked": {table for table in (*entry.made_from, *entry.leads_to) if table in known},
            }
        )
    return rows


def _find_upstream(settings: Settings) -> str | None:
    """The environment whose bronze stands in for the source in the one that is looked at."""
    return settings.reads_from if settings.looks_at is None else read_declared(settings.looks_at).get("reads_from")


def _list_columns(catalog: Catalog, entry: TableEntry) -> list[dict[str, Any]]:
    """Columns that are promised, then those that are only there."""
    state = catalog.states.get(entry.name)
    promised = entry.contract.columns if entry.contract else {}
    sketches = state.sketches if state else {}
    columns = []
    for name in (*promised, *(name for name in sketches if name not in promised)):
        columns.append(
            {
                "name": name,
                "promise": promised.get(name),
                "meaning": promised[name].description if name in promised else SYSTEM_MEANINGS.get(name, "No contract says what it means."),
                "allowed": describe_allowed(promised[name]) if name in promised else "",
                "marks": _list_marks(entry, name),
                "shape": _describe_shape(catalog, entry.name, name),
            }
        )
    return columns


def _describe_shape(catalog: Catalog, table: str, column: str) -> dict[str, Any]:
    state = catalog.states.get(table)
    sketch = state.sketches.get(column) if state else None
    return {"sketch": sketch, "drawing": draw_sketch(sketch) if sketch else "", "is_missing": state is not None and sketch is None}


def _list_marks(entry: TableEntry, name: str) -> list[tuple[str, str]]:
    """Kind and words of what is particular about a column."""
    contract = entry.contract
    marks = [("good", "key")] if contract and contract.key and name in contract.key.columns else []
    kind = contract.columns[name].pii if contract and name in contract.columns else "none"
    if kind != "none":
        marks.append(("warn", f"personal, {kind}"))
    if contract and name == contract.subject_key:
        marks.append(("warn", "identifies a person"))
    elif name in entry.personal and kind == "none":
        marks.append(("warn", "personal"))
    return marks + ([("neutral", "platform")] if name in SYSTEM_COLUMNS else [])


def _list_views(catalog: Catalog, case: UseCase) -> list[tuple[FeatureEntry, list[tuple[FeatureEntry, dict[str, Any]]]]]:
    """The features of a use case with their shapes, view by view, each with one feature that speaks for its view."""
    views: dict[str | None, list[tuple[FeatureEntry, dict[str, Any]]]] = {}
    for feature in catalog.features:
        if feature.use_case == case.name:
            shape = _describe_shape(catalog, case.table("gold", "features"), feature.name)
            views.setdefault(feature.view, []).append((feature, shape))
    return [(features[0][0], features) for features in views.values()]


def _draw(catalog: Catalog, case: UseCase) -> Any:
    """What flows into what, of one use case and the tables it shares; rejected rows lie beside their table and are left out."""
    shown = [
        entry for entry in catalog.entries if entry.use_case in (case.name, None) and not entry.is_rejected and (entry.made_by or entry.contract)
    ]
    layers = {layer: [_describe_node(catalog, case, entry) for entry in shown if entry.layer == layer] for layer in LAYERS}
    edges = [(other, entry.name) for entry in shown for other in entry.made_from]
    return draw_lineage(layers, edges, label=f"Lineage of {case.name}: which tables are made from which.")


def _describe_node(catalog: Catalog, case: UseCase, entry: TableEntry) -> Node:
    state = catalog.states.get(entry.name)
    kind = "absent-yet" if state is None else "stale" if state.is_stale else "written"
    rows = format_count(state.row_count, "row") if state else "not written yet"
    noun = entry.name.partition(".")[2].removeprefix(f"{case.name}_")
    return Node(table=entry.name, name=noun, kind=kind, hint=f"{entry.name}: {rows}, by {', '.join(entry.made_by) or 'nobody'}")
