"""A lake that real stages have filled with three weeks of real flights, and with what a person has written about a version."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace.features import refresh
from headrace.lake import ingestion, refinement, tables
from headrace.lake.runs import build_rows
from headrace.settings import Settings
from tests.small_flights import small_flights

CASE = small_flights()
AS_OF = datetime(2013, 1, 22, tzinfo=UTC)

AIRLINES = "silver.flight_delay_airlines"

# Personal: `metrics.approvals` marks both columns.
PERSON, REASON = "Ada Lovelace", "she told me at lunch"


def fill(settings: Settings) -> None:
    """Bronze, silver and gold as flows write them, without Prefect, and one approval."""
    stages: list[Callable[[str], object]] = [
        lambda feed: ingestion.append_feed(settings, CASE, feed, as_of=AS_OF),
        lambda feed: refinement.refine_feed(settings, CASE, feed, as_of=AS_OF),
    ]
    for stage in stages:
        for feed in CASE.feeds:
            stage(feed)
    refresh.append_features(settings, CASE, as_of=AS_OF)
    write_approval(settings, CASE.name)


def write_airlines(settings: Settings) -> None:
    """Two versions of a small table: one airline, then two."""
    for number, (code, name) in enumerate([("UA", "United"), ("AA", "American")], start=1):
        row = {"carrier": code, "name": name, "known_at": AS_OF, "_ingested_at": AS_OF, "_source": "test", "_batch_id": "test"}
        frame = pl.DataFrame([row], schema_overrides={name: pl.Datetime("us", "UTC") for name in ("known_at", "_ingested_at")})
        tables.append(settings, AIRLINES, frame, batch_id=f"refine/flight_delay/{number}/1")


def write_approval(settings: Settings, use_case: str) -> None:
    row = {"use_case": use_case, "model_version": 1, "model_id": "abc", "approver": PERSON, "reason": REASON, "approved_at": AS_OF}
    tables.append(settings, "metrics.approvals", build_rows("metrics.approvals", [row]), batch_id=f"approve/{use_case}/1/1")


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below a folder: when it was changed, how long it is, and what is in it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size, path.read_bytes()) for path in sorted(files)}
