"""Rows of `inference.<use_case>_requests`: what was asked, which features and model answered, and what the answer was.

Grain: one scored row of one request; `request_id` is `<id of the request>/<ordinal>`, from 0.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from headrace.errors import ServingError
from headrace.models.kinds.kind import Kind

# The columns of the table before those of the prediction; its contract says the same.
_COLUMNS: Mapping[str, pl.DataType] = {
    "request_id": pl.String(),
    "requested_at": pl.Datetime("us", "UTC"),
    "refreshed_at": pl.Datetime("us", "UTC"),
    "request": pl.String(),
    "features": pl.String(),
    "features_version": pl.Int64(),
    "feature_hash": pl.String(),
    "model_version": pl.Int64(),
    "model_id": pl.String(),
    "latency_ms": pl.Float64(),
}

_INSTANTS = tuple(name for name, dtype in _COLUMNS.items() if isinstance(dtype, pl.Datetime))

# One row as JSON can hold it: instants are ISO text.
LoggedRow = Mapping[str, Any]


def requests_table(use_case: str) -> str:
    """Name of the table of answered requests."""
    return f"inference.{use_case}_requests"


def build_schema(kind: Kind) -> pl.Schema:
    """Columns of the table of a use case of this kind."""
    return pl.Schema({**_COLUMNS, **{name: column.dtype for name, column in kind.columns.items()}})


def format_rows(frame: pl.DataFrame, kind: Kind) -> list[LoggedRow]:
    """Rows of the table as the log and the replies spell them: the inverse of `build_frame`."""
    rows: list[LoggedRow] = json.loads(frame.select(list(build_schema(kind))).write_json())
    return rows


def build_frame(requests: Sequence[Sequence[LoggedRow]], kind: Kind) -> pl.DataFrame:
    """Logged requests as rows of the table, in the order they were answered; instants become UTC timestamps.

    Raises:
        ServingError: A row has other columns or types than the table.
    """
    schema = build_schema(kind)
    try:
        rows = [_read_row(row, schema) for request in requests for row in request]
        return pl.DataFrame(rows, schema=schema, strict=True)
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError):
        # Without its cause, which quotes what was asked.
        promised = ", ".join(f"{name} ({dtype})" for name, dtype in schema.items())
        raise ServingError(f"a logged row is not one of a requests table, {promised}; drain it with the commit that wrote it") from None


def _read_row(row: LoggedRow, schema: pl.Schema) -> dict[str, Any]:
    if row.keys() != set(schema):
        raise ValueError("other columns")
    return {**row, **{name: datetime.fromisoformat(row[name]) for name in _INSTANTS}}
