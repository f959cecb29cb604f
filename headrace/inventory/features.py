"""What features there are by declaration: one entry each, from the feature set and the contract of the feature table."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from headrace.lake.contracts import CONTRACTS, find_contract
from headrace.use_case import UseCase


@dataclass(frozen=True, kw_only=True)
class FeatureEntry:
    """One feature, as it is declared.

    Attributes:
        name: Its name.
        use_case: Whose it is.
        meaning: What the contract of the feature table says of it; None: the contract does not have it.
        type: Its type there.
        unit: Its unit there.
        view: The view that computes it; None: on demand, from the row's own request.
        about: First line of what the view's function says of itself.
        entity: Columns that the view looks things up by.
        inputs: Tables that the view reads.
        lookback: How far back it reads; None: on demand.
        refresh: The grid on which views are refreshed.
        stale_hours: Age at which the first of its inputs counts as stale, and `featurize` stops; None: never.
    """

    name: str
    use_case: str
    meaning: str | None
    type: str
    unit: str | None
    view: str | None
    about: str
    entity: tuple[str, ...]
    inputs: tuple[str, ...]
    lookback: timedelta | None
    refresh: timedelta
    stale_hours: float | None


def list_features(case: UseCase, *, contracts: Path = CONTRACTS) -> list[FeatureEntry]:
    """Every feature of a use case, in the order models see them."""
    promised = find_contract(case.table("gold", "features"), contracts)
    views = {feature: view for view in case.features.views for feature in view.features}
    entries = []
    for name in case.features.names:
        view, column = views.get(name), promised.columns.get(name) if promised else None
        inputs = tuple(case.table("silver", noun) for noun in (view.inputs if view else ()))
        entries.append(
            FeatureEntry(
                name=name,
                use_case=case.name,
                meaning=column.description if column else None,
                type=column.type if column else "string" if name in case.features.categorical else "float64",
                unit=column.unit if column else None,
                view=view.name if view else None,
                about=_first_line(view.compute if view else case.features.on_demand),
                entity=view.entity if view else (),
                inputs=inputs,
                lookback=view.lookback if view else None,
                refresh=case.features.refresh,
                stale_hours=_find_limit(inputs, contracts),
            )
        )
    return entries


def _find_limit(tables: Iterable[str], contracts: Path) -> float | None:
    limits = [contract.freshness_hours for table in tables if (contract := find_contract(table, contracts))]
    return min((limit for limit in limits if limit is not None), default=None)


def _first_line(function: object) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]
