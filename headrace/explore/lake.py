"""A lake to explore: one use case's tables, read only, without the values of personal columns.

Whoever explores gets frames from here and from nowhere else, so that what holds here holds for profile, charts, SQL and page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace import use_case as use_cases
from headrace.errors import LakeError
from headrace.inventory.entries import find_owner, find_personal, mark_personal
from headrace.lake import catalog, tables
from headrace.lake.contracts import Contract, find_contract
from headrace.registry import scoring
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase

# Rows beyond this are thinned out evenly: two million rows of fifty columns fill about a gigabyte of memory.
ROW_LIMIT = 2_000_000

# Later than all that a lake knows.
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class PersonalColumn:
    """What may be said of a column that a contract marks as personal: how many values, none of them."""

    name: str
    null_count: int
    distinct_count: int


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows to look at.

    Attributes:
        frame: The rows, personal columns left out; every n-th one where the table has more than `ROW_LIMIT`.
        row_count: Rows of the table.
        personal: What was left out.
    """

    frame: pl.DataFrame
    row_count: int
    personal: Sequence[PersonalColumn]


@dataclass(frozen=True, kw_only=True)
class Lake:
    """The tables of one use case, and those of `metrics` with its rows only.

    Attributes:
        settings: An environment that looks: writing with them is refused, to its own lake too.
        case: The use case as that environment runs it.
        tables: Names of the tables that have rows or had some, layer by layer.
        personal: Columns that any contract of the use case marks.
    """

    settings: Settings
    case: UseCase
    tables: tuple[str, ...]
    personal: frozenset[str]

    @property
    def environment(self) -> str:
        """The environment whose tables these are."""
        return self.settings.seen

    @property
    def folder(self) -> Path:
        """The folder of this environment for what is drawn from these tables, as for the console's pages."""
        home = self.settings.environment_home
        return home if self.environment == self.settings.environment else home / f"of_{self.environment}"

    @property
    def feature_table(self) -> str:
        """The table of features, which need not be there yet."""
        return self.case.table("gold", "features")

    def find_contract(self, table: str) -> Contract | None:
        """The contract of a table, or None where nobody promised anything."""
        return find_contract(table)

    def read_versions(self, table: str) -> pl.DataFrame:
        """One row per commit, newest first: `version`, `committed_at` (UTC), `operation`, `batch_id`."""
        return tables.read_history(self.settings, table)

    def read(self, table: str, *, version: int | None = None) -> pl.LazyFrame:
        """Rows of a table without its personal columns; the newest version where none is given.

        Raises:
            LakeError: There is no such table, or no such version.
            AccessError: It is another environment's that this one may not read.
        """
        frame = self._read_whole(table, version=version)
        return frame.drop(self._find_hidden(frame.collect_schema().names(), table))

    def read_rows(self, table: str, *, version: int | None = None, limit: int = ROW_LIMIT) -> Rows:
        """Rows of a table to profile, with counts of the columns that are left out."""
        whole = self._read_whole(table, version=version)
        row_count = int(whole.select(pl.len()).collect().item())
        personal = self._find_hidden(whole.collect_schema().names(), table)
        kept = whole.drop(personal).gather_every(-(-row_count // limit) if row_count > limit else 1)
        return Rows(frame=kept.collect(), row_count=row_count, personal=_count_personal(whole, personal))

    def read_schemas(self) -> dict[str, pl.Schema]:
        """Columns of every table, personal ones left out: what a query may ask for."""
        return {table: self.read(table).collect_schema() for table in self.tables}

    def read_features(self) -> pl.DataFrame:
        """Feature rows, labelled or not; no personal columns. Grain: one row per scored row."""
        return self.read(self.feature_table).collect()

    def read_labelled_rows(self) -> pl.DataFrame:
        """Feature rows whose label is known by now, with the label; no personal columns. Grain: one row per scored row."""
        rows = scoring.read_labelled_rows(self.settings, self.case, as_of=_END_OF_TIME)
        return rows.drop(self._find_hidden(rows.columns, self.feature_table))

    def _find_hidden(self, columns: Sequence[str], table: str) -> list[str]:
        return find_personal_columns(columns, find_contract(table), personal=self.personal)

    def _read_whole(self, table: str, *, version: int | None) -> pl.LazyFrame:
        frame = tables.read(self.settings, table, version=version)
        is_shared = catalog.parse_name(table).layer == "metrics"
        return frame.filter(pl.col("use_case") == self.case.name) if is_shared else frame


def open_lake(use_case: str, *, of: str | None = None) -> Lake:
    """The lake of the process's environment, or of one that it may read.

    Args:
        use_case: Name of the use case.
        of: Environment whose tables are looked at, one that `readable` lists; None: the process's own.

    Raises:
        LakeError: It has no table of the use case yet.
        AccessError: `readable` does not list that environment.
        UseCaseError: There is no such use case.
    """
    own = load_settings()
    settings = catalog.look_at(own, of or own.environment)
    case = use_cases.load_in(settings, use_case)
    # Looking at itself, an environment has the rights that it has over another: to read.
    settings = settings.model_copy(update={"looks_at": settings.seen})
    found = choose_tables(tables.list_tables(settings), name=case.name, others=use_cases.names())
    if all(catalog.parse_name(table).layer == "metrics" for table in found):
        raise LakeError(f"{settings.seen} has no table of {case.name} yet, so there is nothing to explore; {_fill(own, settings.seen, case)}")
    return Lake(settings=settings, case=case, tables=found, personal=find_personal(case))


def choose_tables(found: Sequence[str], *, name: str, others: Sequence[str]) -> tuple[str, ...]:
    """Those tables that are a use case's own, and those that all share."""
    return tuple(table for table in found if catalog.parse_name(table).layer == "metrics" or find_owner(table, others) == name)


def _fill(own: Settings, seen: str, case: UseCase) -> str:
    """The next move where a lake is empty: another environment is filled by itself."""
    return (
        f"make run USE_CASE={case.name} ENV={seen} fills it"
        if seen == own.environment
        else f"its own flows fill it, make status ENV={seen} says whether they run"
    )


def find_personal_columns(columns: Sequence[str], contract: Contract | None, *, personal: frozenset[str] = frozenset()) -> list[str]:
    """Columns whose values nobody is shown.

    Args:
        columns: Those of a table.
        contract: What it promises; None: nobody says what is personal, so all of it is.
        personal: Columns that other contracts of the use case mark: a name that is personal in one table is so in all.
    """
    hidden = personal | mark_personal(contract)
    return [name for name in columns if contract is None or name in hidden]


def _count_personal(whole: pl.LazyFrame, names: Sequence[str]) -> list[PersonalColumn]:
    if not names:
        return []
    counts = [(pl.col(name).null_count().alias(f"{name}/null"), pl.col(name).drop_nulls().n_unique().alias(f"{name}/distinct")) for name in names]
    row: Mapping[str, int] = whole.select(expression for pair in counts for expression in pair).collect().row(0, named=True)
    return [PersonalColumn(name=name, null_count=row[f"{name}/null"], distinct_count=row[f"{name}/distinct"]) for name in names]
