"""Feedback on its way: logged and synced by the server, then delivered to bronze segment by segment.

Grain: one piece of feedback about one answer. The log is that of requests in a folder of its own, so a line without an end was never
acknowledged, and a segment that can be locked is closed.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from headrace.lake import tables
from headrace.models.kinds.assistant import PINS
from headrace.serving.inference_log import list_segments, parse_lines
from headrace.serving.request_rows import LoggedRow
from headrace.settings import Settings
from headrace.use_case import UseCase

FEED = "feedback"

# Who gives it: a reader of the answer, or the person who was asked for in its place.
READER, PERSON = "reader", "person"

# The columns of the feed's bronze table; its contract says the same.
COLUMNS: Mapping[str, pl.DataType] = {
    "feedback_id": pl.String(),
    "request_id": pl.String(),
    "given_at": pl.Datetime("us", "UTC"),
    "origin": pl.String(),
    "given_by": pl.String(),
    "rating": pl.String(),
    "correction": pl.String(),
    "section_id": pl.String(),
    "is_person_asked": pl.Boolean(),
    "model_version": pl.Int64(),
    "model_id": pl.String(),
    "index_version": pl.String(),
    "prompt_version": pl.String(),
}

# What somebody said, by which repeated feedback is told from other feedback.
SAID = ("request_id", "origin", "given_by", "rating", "correction", "section_id", "is_person_asked")


def feedback_folder(settings: Settings, use_case: str) -> Path:
    """The folder of a use case's feedback segments."""
    return settings.find_folder("serving", use_case, FEED)


def build_row(said: Mapping[str, Any], *, feedback_id: str | None, about: LoggedRow, given_at: datetime) -> dict[str, Any]:
    """One row as the log holds it.

    Args:
        said: A value for each of `SAID` but `request_id`.
        feedback_id: The caller's id; None: the fingerprint of what was said, so the same said twice is one.
        about: The row of the answer, whose versions are kept: feedback names what made the answer.
        given_at: Arrival (UTC).
    """
    what = {"request_id": about["request_id"], **said}
    pins = json.loads(about[PINS])
    row = {
        "feedback_id": feedback_id or fingerprint(what),
        "given_at": given_at.isoformat(),
        "model_version": about["model_version"],
        "model_id": about["model_id"],
        "index_version": pins.get("index"),
        "prompt_version": pins.get("prompt"),
        **what,
    }
    return {name: row[name] for name in COLUMNS}


def fingerprint(row: Mapping[str, Any]) -> str:
    """A hash of what somebody said: of the values of `SAID`."""
    return hashlib.sha256(json.dumps({name: row[name] for name in SAID}, sort_keys=True).encode()).hexdigest()[:32]


def read_rows(path: Path) -> pl.DataFrame:
    """The rows of a segment, as bronze holds them; none where the segment is gone.

    Raises:
        ServingError: A finished line is not what a server writes.
    """
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        lines = []
    logged = [row for rows in parse_lines(path, lines) for row in rows]
    rows = [{**row, "given_at": datetime.fromisoformat(row["given_at"])} for row in logged]
    return pl.DataFrame(rows, schema=dict(COLUMNS))


def read_feedback(settings: Settings, case: UseCase, *, where: pl.Expr) -> pl.DataFrame:
    """Feedback that was acknowledged, in bronze or still in the log, oldest first, each once.

    Args:
        settings: The environment.
        case: The use case.
        where: Which rows; a condition on the columns of `COLUMNS`.
    """
    # The log first: a segment goes only when its rows are in bronze, so one of the two has them.
    logged = [read_rows(path).filter(where) for path in list_segments(feedback_folder(settings, case.name))]
    table = case.table("bronze", FEED)
    if tables.read_version(settings, table) is not None:
        logged.append(tables.read(settings, table).filter(where).select(list(COLUMNS)).collect())
    rows = pl.concat([pl.DataFrame(schema=dict(COLUMNS)), *logged])
    return rows.sort("given_at", "feedback_id").unique("feedback_id", keep="first", maintain_order=True)
