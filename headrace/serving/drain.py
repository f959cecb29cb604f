"""From the server's log to the lake: every segment that nobody writes becomes rows, and is removed once they are committed.

Exactly once, wherever the process dies: a segment is one batch, so it is committed once; a request id that is in the
table, or came in an earlier segment, is not written again; only one drainer of a use case works at a time.

The server drains as it runs and when it ends, and `monitor` does; after a `kill -9` of the server a person may:
`HEADRACE_ENV=dev python -m headrace.serving.drain --use-case flight_delay`.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from headrace import use_case as use_cases
from headrace.errors import HeadraceError, ServingError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.llm.model_calls import ModelCall, append_calls, parse_call
from headrace.locking import hold
from headrace.models.kinds import load_kind
from headrace.models.kinds.assistant import WORDING
from headrace.models.kinds.kind import Kind
from headrace.serving.inference_log import claim, list_segments, log_folder, read_segment
from headrace.serving.request_rows import build_frame, requests_table
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase
from headrace.words import format_count

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Drained:
    """What became of one segment.

    Attributes:
        rows: Rows that the table has because of it.
        repeated_rows: Rows whose request id the table had already.
        torn_count: Lines without an end, which nobody was answered with.
    """

    rows: int = 0
    repeated_rows: int = 0
    torn_count: int = 0


def drain(settings: Settings, case: UseCase) -> int:
    """Move every segment that no living process writes into `inference.<use_case>_requests`; killed anywhere and run again, the table is the same.

    Returns:
        Rows that were added.

    Raises:
        ServingError: A segment holds a line that no server wrote; all others were drained.
    """
    folder = log_folder(settings, case.name)
    if not folder.is_dir():
        return 0
    drained, unreadable = [], []
    # Two drainers at once could each find a repeated id absent from the table.
    with hold(folder.parent / "drain.lock"):
        for path in list_segments(folder):
            try:
                drained.append(_drain_segment(settings, case, path))
            except ServingError as error:
                unreadable.append(str(error))
    if unreadable:
        raise ServingError("; ".join(unreadable))
    return sum(segment.rows for segment in drained)


def _drain_segment(settings: Settings, case: UseCase, path: Path) -> Drained:
    table, batch_id = requests_table(case.name), build_batch_id("drain", case.name, path.name)
    with claim(path) as is_mine:
        if not is_mine:
            return Drained()
        drained = Drained()
        # A drainer that died after its commit left the segment; its rows are in the table, and must not be looked at again.
        if not tables.is_written(settings, table, batch_id=batch_id):
            drained = _commit(settings, table, load_kind(case.kind), path, batch_id)
        # delta-rs leaves its files to the page cache; the synced log may only go when they are on the disk too.
        os.sync()
        path.unlink()
    return drained


def _commit(settings: Settings, table: str, kind: Kind, path: Path, batch_id: str) -> Drained:
    segment = read_segment(path)
    try:
        rows = build_frame(segment.requests, kind)
    except ServingError as error:
        raise ServingError(f"{path}: {error}") from error
    if WORDING in rows.columns:
        # Before the answers: where an answer is, its cost is there too. What a repeated one took was spent all the same.
        append_calls(settings, list_calls(rows[WORDING]), batch_id=batch_id)
    fresh = _drop_repeats(settings, table, rows)
    if not fresh.is_empty():
        tables.append(settings, table, fresh, batch_id=batch_id)
    drained = Drained(rows=fresh.height, repeated_rows=rows.height - fresh.height, torn_count=segment.torn_count)
    if drained.torn_count or drained.repeated_rows:
        # Nobody was answered with a torn line; a repeated row was answered before.
        logger.warning("drained %s torn_lines=%d repeated_rows=%d", path.name, drained.torn_count, drained.repeated_rows)
    return drained


def list_calls(wordings: pl.Series) -> list[ModelCall]:
    """The calls of language models that answers took, in the order of the answers."""
    return [parse_call(call) for wording in wordings.drop_nulls() for call in json.loads(wording)["calls"]]


def _drop_repeats(settings: Settings, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose request id is new; of a repeat within the segment, the first stays."""
    rows = rows.unique("request_id", keep="first", maintain_order=True)
    if rows.is_empty() or tables.read_version(settings, table) is None:
        return rows
    # Ids that the server made begin with their instant, so the bounds let the scan skip almost every file.
    first, last = pl.lit(rows["request_id"].min()), pl.lit(rows["request_id"].max())
    stored = tables.read(settings, table).filter(pl.col("request_id").is_between(first, last)).select("request_id").collect()
    return rows.join(stored, on="request_id", how="anti", maintain_order="left")


def main(arguments: Sequence[str] | None = None) -> int:
    """Drain one use case and say how many rows came; an error that a user can meet ends in one sentence and its exit code."""
    parser = argparse.ArgumentParser(prog="python -m headrace.serving.drain", description="Bring what a server logged into the lake.")
    parser.add_argument("--use-case", required=True)
    chosen = parser.parse_args(arguments)
    try:
        settings = load_settings()
        case = use_cases.load_in(settings, chosen.use_case)
        count = drain(settings, case)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{format_count(count, 'row')} came into {requests_table(case.name)} of {settings.environment}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
