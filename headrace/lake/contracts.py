"""Data contracts: what a table promises, one YAML per table under `data_contracts/<use case>/<table>.yaml`.

A contract gives every column a type, a meaning, a unit and a nullability, names the key, the owner, the retention and
the personal data, and lists what is expected of the rows. `headrace.lake.quality` compiles the expectations.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from headrace.errors import ContractError
from headrace.lake import catalog
from headrace.settings import ROOT
from headrace.strict_yaml import format_findings, read_strictly

CONTRACTS = ROOT / "data_contracts"

TYPES: Mapping[str, pl.DataType] = {
    "string": pl.String(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
    "binary": pl.Binary(),
    "vector": pl.List(pl.Float32()),
}

# Columns that the platform adds to every bronze and silver row; contracts do not repeat them.
SYSTEM_COLUMNS: Mapping[str, pl.DataType] = {
    "_ingested_at": pl.Datetime("us", "UTC"),
    "_source": pl.String(),
    "_batch_id": pl.String(),
}

# Rejected rows of a table lie beside it, under its name and this.
REJECTED_SUFFIX = "_rejected"
BROKEN_COLUMN = "_expectation"

Severity = Literal["critical", "warning"]
Level = Literal["row", "table", "day"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Strict):
    """One column's promise. `allowed` and `range` become row-level expectations, as `nullable: false` does."""

    type: Literal["string", "int64", "float64", "bool", "date", "timestamp", "binary", "vector"] = Field(
        description="Type of its values; a timestamp is an instant in UTC, to the microsecond; binary: bytes as they came, a whole file for example; "
        "vector: an embedding, a list of 32-bit floats, whose last bits may differ by machine, so that it is `volatile`."
    )
    description: str = Field(min_length=1, description="What it means, in a sentence; the catalog and the pages show it.")
    unit: str | None = Field(default=None, description="Unit of a quantity (`km`, `minutes`, `fraction`); null for names and flags.")
    nullable: bool = Field(description="Whether a value may be missing; where it may not, a row without one breaks the contract.")
    allowed: tuple[str | int, ...] | None = Field(default=None, min_length=1, description="Closed list of values; null is judged by `nullable`.")
    range: tuple[float | None, float | None] | None = Field(default=None, description="Least and greatest value, both included; null is open.")
    severity: Severity = Field(default="critical", description="`critical` sends the row to quarantine, `warning` only counts it.")
    pii: Literal["none", "direct", "indirect"] = Field(
        default="none", description="Personal data: `direct` names a person, `indirect` helps to find one. The catalog shows no value of either."
    )

    @model_validator(mode="after")
    def _can_be_met(self) -> "Column":
        if self.range is not None:
            low, high = self.range
            if self.type not in ("int64", "float64"):
                raise ValueError(f"has a range, which only numbers have, not {self.type}")
            if (low is None and high is None) or (low is not None and high is not None and low > high):
                raise ValueError(f"has the range [{low}, {high}], which every value or no value is in")
        if self.allowed is not None and self.type in ("binary", "vector"):
            raise ValueError("lists allowed values, which a YAML file cannot spell for bytes or vectors; promise their hash in a column of its own")
        return self


class Expectation(_Strict):
    """An expectation in Great Expectations' own words, for what columns cannot say."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$", description="The claim, as quarantined rows and metrics name it: `arrives_after_departure`.")
    type: str = Field(description="Its name in Great Expectations: `expect_column_values_to_match_regex`.")
    level: Level = Field(
        description="`row`: breaking rows are quarantined. `table`: breaking it stops the batch. "
        "`day`: as `table`, about one row per UTC day of the event time, with the columns `date` and `row_count`."
    )
    severity: Severity = Field(description="`critical` rejects the rows or stops the batch, `warning` only counts.")
    description: str = Field(min_length=1, description="What is claimed and why, in a sentence; the quality page shows it.")
    kwargs: Mapping[str, Any] = Field(description="Its arguments in Great Expectations' words; columns that they name must exist.")


class Key(_Strict):
    """What identifies a row, and what happens when the same key comes again."""

    columns: tuple[str, ...] = Field(min_length=1, description="Columns that together identify a row.")
    on_repeat: Literal["reject", "update"] = Field(
        description="`reject`: the first known row stays, repeats go to quarantine (events, whose past must not change). "
        "`update`: the newer row replaces the older (reference data)."
    )


class Contract(_Strict):
    """One table's promise. Every field is required unless it says otherwise: an unsaid promise is not kept."""

    table: str = Field(description="`layer.noun`; also the file's name.")
    version: int = Field(ge=1, description="Raised with every change. A new nullable column is accepted, every other change is refused.")
    description: str = Field(min_length=1, description="What the table holds, in a sentence or two.")
    grain: str = Field(min_length=1, description="What one row is.")
    owner: str = Field(min_length=1, description="Who answers for it: an address or a team.")
    columns: Mapping[str, Column] = Field(
        min_length=1, description="Name of each column -> its promise. What the platform adds to bronze and silver rows is not listed."
    )
    key: Key | None = Field(description="What identifies a row; null: rows are events of their own, and repeats are kept.")
    event_time: str | None = Field(description="Column of the instant that the row is about.")
    known_time: str | None = Field(description="Column of the instant at which the row became known.")
    freshness_hours: float | None = Field(description="Greatest age of the newest row when it is used; null: never stale.")
    retention_days: int = Field(ge=1, description="How long a row is to be kept. It is stated here; nothing deletes older rows yet.")
    subject_key: str | None = Field(description="Column that identifies a person, for erasure; null: no personal data.")
    tolerance_fraction: float = Field(ge=0, le=1, description="Greatest share of rejected rows in a batch that passes.")
    tolerance_rows: int = Field(
        default=0, ge=0, description="So many rejected rows pass whatever share they are: of a small batch one row may be most. Left out, none do."
    )
    allow_empty: bool = Field(default=False, description="Whether a batch without rows passes; left out, it blocks.")
    volatile: tuple[str, ...] = Field(description="Columns that differ between two equal runs: clock readings, durations, ids of other systems.")
    expectations: tuple[Expectation, ...] = Field(description="What is expected beyond what columns and key say; may be an empty list.")

    @model_validator(mode="after")
    def _names_exist(self) -> "Contract":
        named = {*(self.key.columns if self.key else ()), *self.volatile}
        named |= {name for name in (self.event_time, self.known_time, self.subject_key) if name}
        unknown = sorted(named - set(self.columns))
        if unknown:
            raise ValueError(f"names columns that it does not list: {', '.join(unknown)}")
        if any(column.pii != "none" for column in self.columns.values()) and self.subject_key is None:
            raise ValueError("has a column with personal data (pii) but no subject_key")
        if self.event_time is None and any(expectation.level == "day" for expectation in self.expectations):
            raise ValueError("has an expectation of level day but no event_time to take the day from")
        return self

    @property
    def schema(self) -> pl.Schema:  # ty: ignore[incompatible-property-override] - hides a method that pydantic has given up
        """Column names and Polars types, system columns of the layer included."""
        own = {name: TYPES[column.type] for name, column in self.columns.items()}
        layer = catalog.parse_name(self.table).layer
        return pl.Schema(own | (dict(SYSTEM_COLUMNS) if layer in ("bronze", "silver") else {}))


def list_schema_differences(found: Mapping[str, pl.DataType], promised: Mapping[str, pl.DataType]) -> list[str]:
    """How columns and types differ from those promised, one sentence each; none when they are equal, whatever their order."""
    differences = [f"{name} ({dtype}) is missing" for name, dtype in promised.items() if name not in found]
    differences += [f"{name} is not promised" for name in found if name not in promised]
    return differences + [f"{name} is {found[name]}, expected {dtype}" for name, dtype in promised.items() if name in found and found[name] != dtype]


@lru_cache(maxsize=256)
def find_contract(table: str, folder: Path = CONTRACTS) -> Contract | None:
    """The contract of a table (an environment in front is ignored), or None when there is none.

    `<table>_rejected` has no file: its promise follows from its table's.

    Raises:
        ContractError: The file is incomplete, or two folders hold one for the same table.
    """
    local = catalog.parse_name(table).local
    paths = sorted(folder.glob(f"*/{local}.yaml"))
    if len(paths) > 1:
        raise ContractError(f"{local} has {len(paths)} contracts: {', '.join(map(str, paths))}; keep one")
    if paths:
        return read_contract(paths[0])
    parent = find_contract(local.removesuffix(REJECTED_SUFFIX), folder) if local.endswith(REJECTED_SUFFIX) else None
    return build_rejected_contract(parent) if parent else None


def build_rejected_contract(parent: Contract) -> Contract:
    """The promise of a table's rejected rows: the same columns, in which anything may stand, and why each row was rejected."""
    columns = {name: column.model_copy(update={"nullable": True, "allowed": None, "range": None}) for name, column in parent.columns.items()}
    columns[BROKEN_COLUMN] = Column(type="string", nullable=False, description="Names of all expectations that the row broke, joined by a comma.")
    changes: dict[str, Any] = {
        "table": parent.table + REJECTED_SUFFIX,
        "description": f"Rows that {parent.table} refused, kept and counted.",
        "columns": columns,
        "key": None,
        # A feed that breaks nothing for a year leaves no row here, and is not late for it.
        "freshness_hours": None,
        "tolerance_fraction": 1.0,
        "allow_empty": True,
        "expectations": (),
    }
    return parent.model_copy(update=changes)


def load_contract(table: str) -> Contract:
    """The contract of a table that must have one.

    Raises:
        ContractError: There is no such file, or it is incomplete.
    """
    contract = find_contract(table, CONTRACTS)
    if contract is None:
        raise ContractError(f"{table} has no contract; write data_contracts/<use case>/{catalog.parse_name(table).local}.yaml")
    return contract


def read_contract(path: Path) -> Contract:
    """Read one file.

    Raises:
        ContractError: It is not YAML, a field is missing, unknown or wrong, or the file is named after another table.
    """
    try:
        contract = Contract.model_validate(read_strictly(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ContractError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        raise ContractError(f"{path} is incomplete or wrong: {format_findings(error)}") from error
    if path.stem != contract.table:
        raise ContractError(f"{path} promises {contract.table}; name the file {contract.table}.yaml")
    return contract
