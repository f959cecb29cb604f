"""Rows of `inference.<use_case>_requests`: what was asked, which features and model answered, and what the answer was.

Grain: one scored row of one request; `request_id` is `<id of the request>/<ordinal>`, from 0.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from headrace.errors import ServingError

# The columns of the table; its contract says the same.
COLUMNS = pl.Schema(
    {
        "request_id": pl.String(),
        "requested_at": pl.Datetime("us", "UTC"),
        "refreshed_at": pl.Datetime("us", "UTC"),
        "request": pl.String(),
        "features": pl.String(),
        "features_version": pl.Int64(),
        "feature_hash": pl.String(),
        "model_version": pl.Int64(),
        "model_id": pl.String(),
        "probability_fraction": pl.Float64(),
    }
)

_INSTANTS = tuple(name for name, dtype in COLUMNS.items() if isinstance(dtype, pl.Datetime))

# One row as JSON can hold it: instants are ISO text.
LoggedRow = Mapping[str, Any]


def requests_table(use_case: str) -> str:
    """Name of the table of answered requests."""
    return f"inference.{use_case}_requests"


def format_rows(frame: pl.DataFrame) -> list[LoggedRow]:
    """Rows of the table as the log and the replies spell them: the inverse of `build_frame`."""
    rows: list[LoggedRow] = json.loads(frame.select(list(COLUMNS)).write_json())
    return rows


def build_frame(requests: Sequence[Sequence[LoggedRow]]) -> pl.DataFrame:
    """Logged requests as rows of the table, in the order they were answered; instants become UTC timestamps.

    Raises:
        ServingError: A row has other columns or types than the table.
    """
    try:
        rows = [_read_row(row) for request in requests for row in request]
        return pl.DataFrame(rows, schema=COLUMNS, strict=True)
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        raise ServingError(f"a logged row is not one of a requests table ({error}); drain it with the commit that wrote it") from error


def _read_row(row: LoggedRow) -> dict[str, Any]:
    if row.keys() != set(COLUMNS):
        raise ValueError(f"its columns are {', '.join(row)}, expected {', '.join(COLUMNS)}")
    return {**row, **{name: datetime.fromisoformat(row[name]) for name in _INSTANTS}}
