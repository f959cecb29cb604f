"""Tables and models as assets of Prefect's event feed, with what they were made from: read off the flow's own card.

A stage that passed emits one materialization per table that its card names under `Writes`, related to those under `Reads`.
Keys: `delta://<environment>/<layer>/<table>`, `model://<environment>/<use case>/<version>`.
"""

import re
from collections.abc import Iterable, Mapping

from prefect.assets import Asset
from prefect.assets.core import AssetProperties
from prefect.context import AssetContext, FlowRunContext
from prefect.states import Completed

from headrace.lake import catalog, tables
from headrace.lake.runs import TABLE as RUNS
from headrace.settings import Settings
from tasks.artifacts import is_watched

_TABLE = re.compile(rf"(?:{'|'.join(catalog.LAYERS)})\.[a-z_<>*]+")

# How a card writes "one table per feed".
_FEED = re.compile(r"<feed>|\*")


def list_lineage(card: str, use_case: str, feeds: Iterable[str]) -> dict[str, set[str]]:
    """What a card says is written, and what each of that is made from; a feed's table is made from that feed's.

    Args:
        card: Docstring of a flow's file.
        use_case: Name of the use case.
        feeds: Its feeds: `<feed>` and `*` stand for each of them.

    Returns:
        Table written -> tables read, as `layer.noun`. The row about the run itself, which every flow writes, is left out.
    """
    feeds = list(feeds)
    lineage: dict[str, set[str]] = {}
    for pattern in _list_patterns(card, "Writes"):
        for feed in feeds if _FEED.search(pattern) else [None]:
            (name,) = _expand(pattern, use_case, [feed or ""])
            lineage[name] = _list_read(card, use_case, feeds if feed is None else [feed])
    lineage.pop(RUNS, None)
    return lineage


def publish_tables(settings: Settings, use_case: str, *, feeds: Iterable[str], metadata: Mapping[str, str]) -> None:
    """Emit which tables the running flow has written, where a server is up to show it.

    Args:
        settings: The environment.
        use_case: Name of the use case.
        feeds: Its feeds.
        metadata: What each event says about the run.
    """
    for name, read in list_lineage(_read_card(), use_case, feeds).items():
        version = tables.read_version(settings, name)
        if version is not None:
            upstream = {_table_asset(settings, other) for other in read}
            _emit(_table_asset(settings, name), upstream, {**metadata, "version": str(version)})


def publish_model(settings: Settings, use_case: str, *, number: int, feeds: Iterable[str], metadata: Mapping[str, str]) -> None:
    """Emit that the running flow has registered a version, where a server is up to show it."""
    card = _read_card()
    if card:
        name = f"{use_case} version {number}"
        asset = Asset(key=f"model://{settings.environment}/{use_case}/{number}", properties=AssetProperties(name=name))
        _emit(asset, {_table_asset(settings, read) for read in _list_read(card, use_case, feeds)}, metadata)


def _read_card() -> str:
    """The card of the running flow; empty where nobody watches."""
    context = FlowRunContext.get()
    if context is None or context.flow is None or not is_watched():
        return ""
    return str(getattr(context.flow.fn, "__globals__", {}).get("__doc__") or "")


def _list_read(card: str, use_case: str, feeds: Iterable[str]) -> set[str]:
    return {name for pattern in _list_patterns(card, "Reads") for name in _expand(pattern, use_case, feeds)}


def _emit(asset: Asset, upstream: set[Asset], metadata: Mapping[str, str]) -> None:
    """Prefect's own events about an asset, as a task of its `@materialize` would emit them."""
    context = AssetContext(
        direct_asset_dependencies=upstream,
        downstream_assets={asset},
        materialization_metadata={asset.key: dict(metadata)},
    )
    context.emit_events(Completed())


def _list_patterns(card: str, field: str) -> list[str]:
    """Tables that a card names in a field, in its own notation: `silver.<use_case>_<feed>`."""
    found = re.search(rf"^{field} +(.+(?:\n +.+)*)", card, re.MULTILINE)
    return _TABLE.findall(found[1]) if found else []


def _expand(pattern: str, use_case: str, feeds: Iterable[str]) -> list[str]:
    named = pattern.replace("<use_case>", use_case)
    return [_FEED.sub(feed, named) for feed in feeds] if _FEED.search(named) else [named]


def _table_asset(settings: Settings, table: str) -> Asset:
    return Asset(key=f"delta://{settings.environment}/{table.replace('.', '/')}", properties=AssetProperties(name=table))
