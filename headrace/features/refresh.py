"""Silver to gold: the features of every row whose prediction time has come, and the online store at the same instant."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.decisions import Decision, blocked, decide_all, passed
from headrace.features.materialize import build_features, build_spine
from headrace.features.online import publish
from headrace.lake import tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.contracts import load_contract
from headrace.lake.quality import judge
from headrace.lake.refinement import record_report
from headrace.lake.runs import Step, read_watermark
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

FRESHNESS_GATE = "freshness"


def append_features(settings: Settings, case: UseCase, *, as_of: datetime, revision: int = 1) -> Step:
    """Append the features of rows with `prediction_at` after the last slice and until `as_of` (UTC) to `gold.<use_case>_features`.

    The rows are judged by the contract of the feature table first; when it is broken, nothing is written but the report.
    """
    table = case.table("gold", "features")
    after = read_watermark(settings, table, column="_as_of", below=as_of)
    inputs = read_inputs(settings, case, known_by=as_of)
    due = build_spine(case.features, inputs, after=after, until=as_of)
    rows = build_features(case.features, inputs, due).with_columns(pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("_as_of"))
    batch_id = build_batch_id("featurize", case.name, format_instant(as_of), revision)
    report = judge(rows, load_contract(table))
    if report.decision.passed:
        # A higher revision takes the place of the slice's rows; the first one finds none.
        tables.replace(settings, table, rows, where={"_as_of": as_of}, batch_id=batch_id)
    record_report(settings, case, report, batch_id=batch_id)
    return Step(decision=report.decision, rows_read=due.height, rows_written=rows.height if report.decision.passed else 0)


def publish_online(settings: Settings, case: UseCase, *, as_of: datetime) -> None:
    """Bring the online store to the last instant of the refresh grid at or before `as_of` (UTC); it never goes back."""
    publish(settings.online_root / case.name, case.features, read_inputs(settings, case, known_by=as_of), as_of=as_of)


def read_inputs(settings: Settings, case: UseCase, *, known_by: datetime, nouns: Iterable[str] | None = None) -> dict[str, pl.DataFrame]:
    """Silver rows of the use case by noun, those known at `known_by` (UTC) only; left out, every noun that its features read."""
    wanted = set(nouns) if nouns is not None else case.features.inputs
    is_known = pl.col("known_at") <= known_by
    return {noun: tables.read(settings, case.table("silver", noun)).filter(is_known).collect() for noun in sorted(wanted)}


def decide_freshness(settings: Settings, case: UseCase, *, as_of: datetime) -> Decision:
    """Block when a silver table that features read is older at `as_of` (UTC) than its contract allows, or empty and may not be."""
    read = [case.table("silver", noun) for noun in case.features.inputs]
    return decide_all(FRESHNESS_GATE, [_decide_table_freshness(settings, table, as_of=as_of) for table in read])


def _decide_table_freshness(settings: Settings, table: str, *, as_of: datetime) -> Decision:
    contract = load_contract(table)
    limit_hours = contract.freshness_hours
    newest = tables.read(settings, table).filter(pl.col("known_at") <= as_of).select(pl.col("known_at").max()).collect().item()
    if newest is None and limit_hours is None and contract.allow_empty:
        return passed(FRESHNESS_GATE, f"{table} holds no row, which its contract allows")
    if newest is None:
        return blocked(FRESHNESS_GATE, f"{table} holds no row known at {as_of:%Y-%m-%d %H:%M}Z; run ingest and refine up to there")
    age: timedelta = as_of - newest.astimezone(UTC)
    if limit_hours is not None and age > timedelta(hours=limit_hours):
        heard = f"{table} was last heard of {age / timedelta(hours=1):.0f} h before {as_of:%Y-%m-%d %H:%M}Z"
        return blocked(FRESHNESS_GATE, f"{heard}, its contract allows {limit_hours:.0f} h; see why its feed is late")
    return passed(FRESHNESS_GATE, f"{table} is {age / timedelta(hours=1):.1f} h old")
