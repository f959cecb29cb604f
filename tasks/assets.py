"""Tables and models as assets of Prefect's event feed, with what they were made from (`headrace.inventory.lineage`).

A stage that passed emits one materialization per table that its card names under `Writes`, related to those under `Reads`.
Keys: `delta://<environment>/<layer>/<table>`, `model://<environment>/<use case>/<version>`.
"""

from collections.abc import Mapping

from prefect.assets import Asset
from prefect.assets.core import AssetProperties
from prefect.context import AssetContext, FlowRunContext
from prefect.states import Completed

from headrace.inventory.lineage import list_lineage, list_read
from headrace.lake import tables
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.artifacts import is_watched


def publish_tables(settings: Settings, case: UseCase, *, metadata: Mapping[str, str]) -> None:
    """Emit which tables the running flow has written, where a server is up to show it.

    Args:
        settings: The environment.
        case: The use case.
        metadata: What each event says about the run.
    """
    for name, read in list_lineage(_read_card(), case).items():
        version = tables.read_version(settings, name)
        if version is not None:
            upstream = {_table_asset(settings, other) for other in read}
            _emit(_table_asset(settings, name), upstream, {**metadata, "version": str(version)})


def publish_model(settings: Settings, case: UseCase, *, number: int, metadata: Mapping[str, str]) -> None:
    """Emit that the running flow has registered a version, where a server is up to show it."""
    card = _read_card()
    if card:
        name = f"{case.name} version {number}"
        asset = Asset(key=f"model://{settings.environment}/{case.name}/{number}", properties=AssetProperties(name=name))
        _emit(asset, {_table_asset(settings, read) for read in list_read(card, case)}, metadata)


def _read_card() -> str:
    """The card of the running flow; empty where nobody watches."""
    context = FlowRunContext.get()
    if context is None or context.flow is None or not is_watched():
        return ""
    return str(getattr(context.flow.fn, "__globals__", {}).get("__doc__") or "")


def _emit(asset: Asset, upstream: set[Asset], metadata: Mapping[str, str]) -> None:
    """Prefect's own events about an asset, as a task of its `@materialize` would emit them."""
    context = AssetContext(
        direct_asset_dependencies=upstream,
        downstream_assets={asset},
        materialization_metadata={asset.key: dict(metadata)},
    )
    context.emit_events(Completed())


def _table_asset(settings: Settings, table: str) -> Asset:
    return Asset(key=f"delta://{settings.environment}/{table.replace('.', '/')}", properties=AssetProperties(name=table))
