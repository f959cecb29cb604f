"""What tables there are by declaration: one entry each, from contracts, use cases and the cards of the flows."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.inventory.lineage import Lineage, build_lineage, read_cards
from headrace.lake import catalog
from headrace.lake.contracts import CONTRACTS, REJECTED_SUFFIX, Contract, find_contract
from headrace.use_case import UseCase

# Tables that all use cases share have their contracts in a folder of this name.
SHARED = "metrics"

_DIGEST_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class TableEntry:
    """One table, as it is declared.

    Attributes:
        name: `layer.noun`.
        use_case: Whose it is; None: all use cases share it, or nobody in this clone knows it.
        contract: What it promises; None: nobody has written that down.
        file: The contract's file, below the root of the clone; None: there is none, or the promise follows from another table's.
        digest: First digits of the SHA-256 of that file.
        personal: Columns whose values are shown nowhere: a contract of the use case marks one of that name, or it identifies a person.
        made_by: Flows that write it.
        made_from: Tables that it is made from.
        source: Where its rows come from outside the lake; None: from tables.
        read_by: Flows that read it.
        leads_to: Tables that are made from it.
    """

    name: str
    use_case: str | None
    contract: Contract | None
    file: Path | None
    digest: str | None
    personal: frozenset[str]
    made_by: tuple[str, ...]
    made_from: tuple[str, ...]
    source: str | None
    read_by: tuple[str, ...]
    leads_to: tuple[str, ...]

    @property
    def layer(self) -> str:
        """Its layer."""
        return catalog.parse_name(self.name).layer

    @property
    def is_rejected(self) -> bool:
        """Whether it keeps what another table refused."""
        return self.name.endswith(REJECTED_SUFFIX)


def list_entries(cases: Sequence[UseCase], *, present: Iterable[str] = (), contracts: Path = CONTRACTS) -> list[TableEntry]:
    """Every table that use cases declare, that a contract promises or that is there, layer by layer.

    Args:
        cases: The use cases; tables of no other one are listed, but for those in `present`.
        present: Names of tables that are in the lake.
        contracts: The folder of all contracts.

    Raises:
        ContractError: A contract is incomplete.
    """
    owners = {case.name: case for case in cases}
    names = set(present) | {path.stem for path in contracts.glob(f"{SHARED}/*.yaml")}
    for case in cases:
        names |= {*list_declared(case), *(path.stem for path in contracts.glob(f"{case.name}/*.yaml"))}
    order = {layer: number for number, layer in enumerate(catalog.LAYERS)}
    listed = sorted(names, key=lambda name: (order[catalog.parse_name(name).layer], name))
    lineages = {case.name: build_lineage(case, read_cards()) for case in cases}
    personal = {case.name: find_personal(case, contracts) for case in cases}
    return [_build_entry(name, find_owner(name, owners), owners, lineages, personal, contracts) for name in listed]


def list_declared(case: UseCase) -> list[str]:
    """Every table that a use case fills."""
    rejected = [case.silver_table(feed) + REJECTED_SUFFIX for feed in case.feeds]
    return [*case.feed_tables, *rejected, *case.other_tables]


def find_owner(table: str, names: Iterable[str]) -> str | None:
    """The use case whose table it is, by its name; the longest that fits, since `flight` and `flight_delay` may both be there."""
    noun = catalog.parse_name(table).noun
    return max((name for name in names if noun.startswith(f"{name}_") and not table.startswith(f"{SHARED}.")), key=len, default=None)


def _build_entry(
    name: str,
    owner: str | None,
    cases: Mapping[str, UseCase],
    lineages: Mapping[str, Lineage],
    personal: Mapping[str, frozenset[str]],
    contracts: Path,
) -> TableEntry:
    contract, file = find_contract(name, contracts), _find_file(name, contracts)
    # What all use cases share is made from the tables of each of them.
    known = [lineages[owner]] if owner else list(lineages.values())
    return TableEntry(
        name=name,
        use_case=owner,
        contract=contract,
        file=file.relative_to(contracts.parent) if file else None,
        digest=hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGEST_DIGITS] if file else None,
        personal=mark_personal(contract) | (personal[owner] if owner else frozenset()),
        made_by=_gather(sorted(lineage.made_from.get(name, {})) for lineage in known),
        made_from=_gather(lineage.list_upstream(name) for lineage in known),
        source=_describe_source(cases[owner], lineages[owner], name) if owner else None,
        read_by=_gather(lineage.read_by.get(name, ()) for lineage in known),
        leads_to=_gather(lineage.list_downstream(name) for lineage in known),
    )


def _gather(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """What any of the lists has, once, in the order of its first appearance."""
    return tuple(dict.fromkeys(item for items in lists for item in items))


def _find_file(table: str, contracts: Path) -> Path | None:
    return next(iter(sorted(contracts.glob(f"*/{catalog.parse_name(table).local}.yaml"))), None)


def mark_personal(contract: Contract | None) -> frozenset[str]:
    """Columns that a contract marks, and the one that says whose rows they are."""
    if contract is None:
        return frozenset()
    marked = {name for name, column in contract.columns.items() if column.pii != "none"}
    return frozenset(marked | ({contract.subject_key} if contract.subject_key else set()))


def find_personal(case: UseCase, contracts: Path = CONTRACTS) -> frozenset[str]:
    """Columns that any contract of the use case marks: a name that is personal in silver is so in bronze, whoever forgot the mark there."""
    found = [find_contract(path.stem, contracts) for path in contracts.glob(f"{case.name}/*.yaml")]
    return frozenset().union(*(mark_personal(contract) for contract in found))


def _describe_source(case: UseCase, lineage: Lineage, table: str) -> str | None:
    return type(case.source).__name__ if table.startswith("bronze.") else lineage.origins.get(table)
