"""The whole catalog of an environment: every entry, and what the lake says about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from headrace.inventory.entries import TableEntry, find_owner, list_entries
from headrace.inventory.features import FeatureEntry, list_features
from headrace.inventory.measures import TableState, read_judged_at, read_state
from headrace.lake import tables
from headrace.settings import Settings
from headrace.use_case import UseCase


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """What there is in one environment.

    Attributes:
        cases: The use cases that it covers.
        entries: Every table, layer by layer.
        features: Every feature, use case by use case.
        states: Table -> what the lake says of it; tables that nothing was written to yet are left out.
        clocks: Use case -> the instant (UTC) at which its tables are old or not; None: no run has worked any instant yet.
    """

    cases: tuple[UseCase, ...]
    entries: tuple[TableEntry, ...]
    features: tuple[FeatureEntry, ...]
    states: Mapping[str, TableState]
    clocks: Mapping[str, datetime | None]

    @property
    def row_count(self) -> int:
        """Rows of all tables."""
        return sum(state.row_count for state in self.states.values())

    @property
    def stale(self) -> list[str]:
        """Tables whose newest row is older than their contract allows."""
        return [name for name, state in self.states.items() if state.is_stale]

    @property
    def unpromised(self) -> list[str]:
        """Tables without a contract."""
        return [entry.name for entry in self.entries if entry.contract is None]

    @property
    def unwritten(self) -> list[str]:
        """Tables that are declared, and that nothing was written to yet."""
        return [entry.name for entry in self.entries if entry.name not in self.states]

    @property
    def personal(self) -> list[str]:
        """Columns that no value is shown of, as `layer.noun.column`."""
        return [f"{entry.name}.{name}" for entry in self.entries if entry.contract for name in entry.contract.columns if name in entry.personal]


def read_catalog(settings: Settings, cases: Sequence[UseCase], *, others: Sequence[str] = ()) -> Catalog:
    """Read what there is.

    Args:
        settings: The environment whose lake is looked at.
        cases: The use cases to cover, and the tables that they share.
        others: Names of the use cases in the clone that are not covered: their tables are left out.

    Raises:
        ContractError: A contract is incomplete.
        AccessError: A table may not be read.
    """
    covered = {case.name for case in cases}
    known = [*covered, *others]
    present = [table for table in tables.list_tables(settings) if find_owner(table, known) not in others]
    entries = list_entries(cases, present=present)
    instants = {owner: read_judged_at(settings, owner) for owner in (None, *sorted(covered))}
    states = {entry.name: read_state(settings, entry, judged_at=instants[entry.use_case]) for entry in entries if entry.name in set(present)}
    return Catalog(
        cases=tuple(cases),
        entries=tuple(entries),
        features=tuple(feature for case in cases for feature in list_features(case)),
        states={name: state for name, state in states.items() if state is not None},
        clocks={case.name: instants[case.name] for case in cases},
    )
