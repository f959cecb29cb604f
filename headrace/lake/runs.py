"""Stage runs as rows: what has run, for which slice, with what end. `metrics.pipeline_runs` tells what need not run again.

Where a stage's slice begins is not remembered here but read off the table that the stage writes (`read_watermark`): a run
that was killed between its write and its row in this table then still leaves no gap and no overlap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from headrace.decisions import Decision
from headrace.lake import run_logs, tables
from headrace.lake.batches import build_batch_id, build_blocked_id, format_instant
from headrace.lake.contracts import load_contract
from headrace.settings import Settings

TABLE = "metrics.pipeline_runs"
CLOCK = "metrics.clock"


@dataclass(frozen=True, kw_only=True)
class StageRun:
    """One run of one stage.

    Attributes:
        flow: Name of the flow.
        use_case: Name of the use case.
        slice_name: What it stands for: its `as_of`, or the version it builds or judges.
        as_of: End of its slice (UTC, included).
        revision: 1, or higher for a backfill.
        started_at: Clock reading at the start.
        is_finished: Whether this slice was finished before, in this or a higher revision.
    """

    flow: str
    use_case: str
    slice_name: str
    as_of: datetime
    revision: int
    started_at: datetime
    is_finished: bool

    @property
    def batch_id(self) -> str:
        """Batch id of what this run writes about its whole slice."""
        return build_batch_id(self.flow, self.use_case, self.slice_name, self.revision)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one piece of a stage did.

    Attributes:
        decision: Whether the stage may go on.
        rows_read: Rows that came in.
        rows_written: Rows that went to the table (rejected rows count as read, not as written).
    """

    decision: Decision
    rows_read: int
    rows_written: int


def read_watermark(settings: Settings, table: str, *, column: str, below: datetime) -> datetime | None:
    """The newest `column` (UTC) of a table's rows before an instant: where the slice that ends there begins; None when nothing was written before."""
    newest = tables.read(settings, table).filter(pl.col(column) < below).select(pl.col(column).max()).collect().item()
    return newest if newest is None else newest.astimezone(UTC)


def read_finished(settings: Settings, use_case: str, flow: str) -> pl.DataFrame:
    """The slices that a stage has finished: `slice_name` and `as_of`, oldest first."""
    is_mine = (pl.col("use_case") == use_case) & (pl.col("flow") == flow) & (pl.col("status") != "blocked")
    return tables.read(settings, TABLE).filter(is_mine).select("slice_name", "as_of").sort("as_of").collect()


def read_previous_end(settings: Settings, use_case: str, flow: str, *, before: datetime) -> datetime | None:
    """End (UTC) of the last finished slice of a stage that ended before an instant; None when there is none."""
    return max((end for end in read_finished(settings, use_case, flow)["as_of"].to_list() if end < before), default=None)


def begin(settings: Settings, use_case: str, flow: str, *, as_of: datetime, revision: int = 1, slice_name: str | None = None) -> StageRun:
    """Open a run: name its slice and find out whether it was finished before.

    Args:
        settings: The environment.
        use_case: Name of the use case.
        flow: Name of the flow.
        as_of: End of the slice (UTC). An instant before the end of a finished slice is finished too: its rows are in.
        revision: Higher than before to do a finished slice again.
        slice_name: For a stage whose slice is no window: what it stands for, a version for example.
    """
    run_logs.start_keeping(settings)
    finished = read_finished(settings, use_case, flow)
    ends = finished["as_of"].to_list()
    name = slice_name or format_instant(as_of)
    if revision > 1:
        is_finished = tables.is_written(settings, TABLE, batch_id=build_batch_id(flow, use_case, name, revision))
    elif slice_name:
        is_finished = slice_name in finished["slice_name"]
    else:
        is_finished = any(end >= as_of for end in ends)
    return StageRun(
        flow=flow,
        use_case=use_case,
        slice_name=name,
        as_of=as_of,
        revision=revision,
        started_at=datetime.now(UTC),
        is_finished=is_finished,
    )


def finish(settings: Settings, run: StageRun, verdict: Decision, *, counts: Mapping[str, int], prefect_run_id: str) -> None:
    """Record how a run ended and what it logged. A blocked slice is not finished: the next run begins where this one began."""
    ended_at = datetime.now(UTC)
    row = {
        "use_case": run.use_case,
        "flow": run.flow,
        "slice_name": run.slice_name,
        "as_of": run.as_of,
        "status": "passed" if verdict.passed else "blocked",
        "reason": verdict.reason,
        "rows_read": counts.get("rows_read", 0),
        "rows_written": counts.get("rows_written", 0),
        "started_at": run.started_at,
        "finished_at": ended_at,
        "duration_s": (ended_at - run.started_at).total_seconds(),
        "log_lines": run_logs.format_lines(run_logs.list_lines(run.started_at)),
        "prefect_run_id": prefect_run_id,
    }
    batch_id = run.batch_id if verdict.passed else build_blocked_id(run.batch_id, verdict.reason)
    if not tables.is_written(settings, TABLE, batch_id=batch_id):
        tables.append(settings, TABLE, build_row(TABLE, row), batch_id=batch_id)


def build_row(table: str, row: Mapping[str, object]) -> pl.DataFrame:
    """One row in the promised schema of a table."""
    return build_rows(table, [row])


def build_rows(table: str, rows: list[Mapping[str, object]]) -> pl.DataFrame:
    """Rows in the promised schema of a table."""
    return pl.DataFrame(rows, schema=load_contract(table).schema)


def read_ticks(settings: Settings, use_case: str) -> list[datetime]:
    """Ticks of the replay clock that are over, oldest first (UTC)."""
    return tables.read(settings, CLOCK).filter(pl.col("use_case") == use_case).sort("tick").collect()["tick"].to_list()


def record_tick(settings: Settings, use_case: str, tick: datetime) -> None:
    """Note that every stage of a tick is finished."""
    row = build_row(CLOCK, {"use_case": use_case, "tick": tick, "recorded_at": datetime.now(UTC)})
    tables.append(settings, CLOCK, row, batch_id=build_batch_id("lifecycle", use_case, format_instant(tick)))
