"""A contract of four columns and rows that keep it: what the tests of contracts, quality and quarantine stand on."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from headrace.lake.contracts import Contract

TABLE = "silver.tiny_trips"
NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)

COLUMNS: dict[str, dict[str, Any]] = {
    "trip_id": {"type": "string", "nullable": False, "description": "Id of the trip."},
    "carrier": {"type": "string", "nullable": True, "allowed": ["UA", "AA"], "description": "Who flew."},
    "delay_minutes": {"type": "float64", "nullable": True, "unit": "minutes", "range": [-60, 600], "description": "Delay."},
    "known_at": {"type": "timestamp", "nullable": False, "unit": "UTC", "description": "When it was known."},
}


def contract_values(**changes: Any) -> dict[str, Any]:
    """What the contract's YAML would hold, with some of it changed."""
    values: dict[str, Any] = {
        "table": TABLE,
        "version": 1,
        "description": "Trips.",
        "grain": "one trip",
        "owner": "tests",
        "columns": COLUMNS,
        "key": {"columns": ["trip_id"], "on_repeat": "reject"},
        "event_time": "known_at",
        "known_time": "known_at",
        "freshness_hours": None,
        "retention_days": 1,
        "subject_key": None,
        "tolerance_fraction": 0.5,
        "volatile": [],
        "expectations": [],
    }
    return values | changes


def build_contract(**changes: Any) -> Contract:
    return Contract.model_validate(contract_values(**changes))


def expectation(kind: str, /, *, level: str = "row", severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    return {"name": "own_promise", "type": kind, "level": level, "severity": severity, "description": "A promise of its own.", "kwargs": kwargs}


def build_rows(**columns: list[Any]) -> pl.DataFrame:
    """Rows of the table; columns that are left out hold sound values, two rows of them unless another column says more."""
    height = len(next(iter(columns.values()), [0, 0]))
    sound = {
        "trip_id": [f"trip-{number}" for number in range(height)],
        "carrier": ["UA"] * height,
        "delay_minutes": [0.0] * height,
        "known_at": [NOON] * height,
        "_ingested_at": [NOON] * height,
        "_source": ["test"] * height,
        "_batch_id": ["ingest/tiny/noon/1"] * height,
    }
    return pl.DataFrame(sound | columns, schema=build_contract().schema)
