"""Source to bronze: every delivery verbatim, once, behind the schema of its contract."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import polars as pl

from headrace.decisions import Decision, blocked, passed
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.contracts import SYSTEM_COLUMNS, Contract, list_schema_differences, load_contract
from headrace.lake.runs import Step, read_watermark
from headrace.settings import Settings
from headrace.source import Delivery
from headrace.use_case import UseCase
from headrace.words import format_count

logger = logging.getLogger(__name__)

GATE = "schema"


def append_feed(settings: Settings, case: UseCase, feed: str, *, as_of: datetime) -> Step:
    """Append what arrived for a feed since the last slice and until `as_of` (UTC) to its bronze table.

    A delivery whose columns are not those of the contract blocks, and nothing of it or of those behind it is written.
    """
    table = case.table("bronze", feed)
    contract = load_contract(table)
    blocks: list[Decision] = []
    for delivery, _ in list_open_deliveries(settings, case, feed, until=as_of):
        batch_id = _build_id(case, delivery)
        rows = delivery.read()
        decision = decide_schema(rows, contract, origin=delivery.origin)
        if not decision.passed:
            blocks.append(decision)
            break
        tables.append(settings, table, _stamp(rows, delivery, batch_id=batch_id, as_of=as_of), batch_id=batch_id)
    # Counted in the table, so that a run that goes on after a kill counts what the killed one wrote.
    row_count = tables.read(settings, table).filter(pl.col("_ingested_at") == as_of).select(pl.len()).collect().item()
    verdict = blocks[0] if blocks else passed(GATE, f"{feed}: {format_count(row_count, 'row')} arrived")
    return Step(decision=verdict, rows_read=row_count, rows_written=row_count)


def list_open_deliveries(settings: Settings, case: UseCase, feed: str, *, until: datetime) -> Iterator[tuple[Delivery, datetime | None]]:
    """What had arrived for a feed by an instant (UTC) and is not in bronze, oldest first, each with the end of what was taken before."""
    table = case.table("bronze", feed)
    after = read_watermark(settings, table, column="_ingested_at", below=until)
    for delivery in case.source.deliveries(feed, after=after, until=until):
        if not tables.is_written(settings, table, batch_id=_build_id(case, delivery)):
            yield _leave_out_parts(settings, case, delivery), after


def _leave_out_parts(settings: Settings, case: UseCase, delivery: Delivery) -> Delivery:
    """What is left of a delivery of which a replay has taken parts, each until an instant: the rows that became known later."""
    if delivery.parts is None:
        return delivery
    begin = _build_id(case, replace(delivery, slice_name=delivery.parts)).rpartition("/")[0]
    taken = tables.read(settings, case.table("bronze", delivery.feed)).filter(pl.col("_batch_id").str.starts_with(begin))
    end = taken.select(pl.col("_ingested_at").max()).collect().item()
    return delivery if end is None else replace(delivery, read=lambda: delivery.read().filter(pl.col("known_at") > end))


def decide_schema(rows: pl.DataFrame, contract: Contract, *, origin: str) -> Decision:
    """Pass when the rows have exactly the promised columns and types; bronze keeps what came, so it must be what was promised."""
    promised = {name: dtype for name, dtype in contract.schema.items() if name not in SYSTEM_COLUMNS}
    differences = list_schema_differences(rows.schema, promised)
    if differences:
        broken = f"{origin} does not keep the contract of {contract.table}: {'; '.join(differences)}"
        return blocked(GATE, f"{broken}. Correct the delivery, or the contract if the source changed")
    return passed(GATE, f"{format_count(len(promised), 'column')} as promised")


def _build_id(case: UseCase, delivery: Delivery) -> str:
    return build_batch_id("ingest", case.name, f"{delivery.feed}-{delivery.slice_name}")


def _stamp(rows: pl.DataFrame, delivery: Delivery, *, batch_id: str, as_of: datetime) -> pl.DataFrame:
    """Add the system columns. `_ingested_at` is the slice's end, not the wall clock: a replay leaves equal rows."""
    return rows.with_columns(
        pl.lit(as_of).cast(SYSTEM_COLUMNS["_ingested_at"]).alias("_ingested_at"),
        pl.lit(delivery.origin).alias("_source"),
        pl.lit(batch_id).alias("_batch_id"),
    )
