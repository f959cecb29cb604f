"""Bronze to silver: each bronze batch is cleaned, judged by its contract and split into accepted rows and quarantine, once.

A batch is done when its verdict is in `metrics.data_quality` and passed: the verdict is written last, so a run that was
killed before finds the batch open, writes what is missing, and skips what is there.
"""

from datetime import datetime

import polars as pl

from headrace.decisions import Decision, blocked, passed
from headrace.errors import BatchError
from headrace.lake import quarantine, runs, tables
from headrace.lake.batches import build_batch_id, build_blocked_id
from headrace.lake.contracts import REJECTED_SUFFIX, Contract, load_contract
from headrace.lake.quality import GATE, VERDICT, QualityReport, judge
from headrace.lake.quality import TABLE as QUALITY
from headrace.lake.runs import Step
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count

# What stands in `_expectation` of a row whose whole batch a person took out of the line.
WITHDRAWN = "withdrawn"


def refine_feed(settings: Settings, case: UseCase, feed: str, *, as_of: datetime) -> Step:
    """Refine every bronze batch of a feed that was ingested until `as_of` (UTC) and has not passed yet, oldest first.

    A batch that fails its contract blocks: nothing of it reaches silver, and the batches behind it wait.
    """
    decisions = []
    for batch in _read_open_batches(settings, case, feed, as_of=as_of):
        decisions.append(_refine_batch(settings, case, feed, bronze_batch=batch))
        if not decisions[-1].passed:
            break
    read_count, written_count = _count_slice(settings, case, feed, as_of=as_of)
    # A pass is told from the tables too; each batch's own figures are in `metrics.data_quality`.
    blocks = [decision for decision in decisions if not decision.passed]
    verdict = blocks[0] if blocks else passed(GATE, f"{feed}: {_describe_counts(case, feed, read_count, written_count)}")
    return Step(decision=verdict, rows_read=read_count, rows_written=written_count)


def _describe_counts(case: UseCase, feed: str, read_count: int, written_count: int) -> str:
    """Where refining makes something else of a row, the two counts are of different things."""
    if feed in case.silver:
        return f"{format_count(read_count, 'row')} refined to {written_count} {case.silver[feed]}"
    return f"{written_count} of {format_count(read_count, 'row')} refined"


def _count_slice(settings: Settings, case: UseCase, feed: str, *, as_of: datetime) -> tuple[int, int]:
    """Rows of bronze and silver in this slice, counted in the tables: a run that goes on after a kill counts what the killed one wrote."""
    before = runs.read_previous_end(settings, case.name, "refine", before=as_of)
    in_slice = (pl.col("_ingested_at") <= as_of) & ((pl.col("_ingested_at") > before) if before else pl.lit(True))
    both = (case.table("bronze", feed), case.silver_table(feed))
    counts = [tables.read(settings, table).filter(in_slice).select(pl.len()).collect().item() for table in both]
    return counts[0], counts[1]


def withdraw_batch(settings: Settings, case: UseCase, *, bronze_batch: str, by: str, reason: str) -> Decision:
    """Send a whole blocked bronze batch to quarantine in a person's name, so that the line can go on; no row is lost.

    Raises:
        BatchError: There is no such batch, or it has reached silver already.
    """
    feeds = [feed for feed in case.feeds if not _read_bronze(settings, case, feed, bronze_batch).is_empty()]
    if not feeds or not by.strip() or not reason.strip():
        raise BatchError(
            f"{bronze_batch!r} is no bronze batch of {case.name}, or BY= or REASON= is missing; `make refine` names the batch that it blocks"
        )
    feed, batch_id = feeds[0], _refine_batch_id(case, bronze_batch)
    contract = load_contract(case.silver_table(feed))
    if tables.is_written(settings, QUALITY, batch_id=batch_id):
        raise BatchError(f"{bronze_batch} has passed its contract or was withdrawn before; only a blocked batch can be withdrawn")
    rows = case.feeds[feed](_read_bronze(settings, case, feed, bronze_batch))
    verdict = passed(GATE, f"{contract.table}: all {rows.height} rows withdrawn by {by}: {reason}")
    everything = pl.repeat(WITHDRAWN, rows.height, dtype=pl.String, eager=True)
    report = QualityReport(table=contract.table, contract_version=contract.version, findings=(), broken=everything, decision=verdict)
    _, rejected = quarantine.split(rows, report)
    tables.append(settings, contract.table + REJECTED_SUFFIX, rejected, batch_id=batch_id)
    record_report(settings, case, report, batch_id=batch_id)
    return verdict


def _read_bronze(settings: Settings, case: UseCase, feed: str, bronze_batch: str) -> pl.DataFrame:
    return tables.read(settings, case.table("bronze", feed)).filter(pl.col("_batch_id") == bronze_batch).collect()


def record_report(settings: Settings, case: UseCase, report: QualityReport, *, batch_id: str) -> None:
    """Append a batch's report to `metrics.data_quality`; a blocked one under an id of its own, so that a mended contract is judged anew."""
    name = batch_id if report.decision.passed else build_blocked_id(batch_id, report.decision.reason)
    tables.append(settings, QUALITY, report.as_rows(use_case=case.name, batch_id=name), batch_id=name)


def _read_open_batches(settings: Settings, case: UseCase, feed: str, *, as_of: datetime) -> list[str]:
    """Ids of the bronze batches that have no passed verdict, oldest first."""
    ingested = tables.read(settings, case.table("bronze", feed)).filter(pl.col("_ingested_at") <= as_of)
    batches = ingested.select("_batch_id", "_ingested_at").unique().sort("_ingested_at", "_batch_id").collect()["_batch_id"].to_list()
    is_passed = (pl.col("table_name") == case.silver_table(feed)) & (pl.col("expectation") == VERDICT) & pl.col("is_passed")
    done = set(tables.read(settings, QUALITY).filter(is_passed).collect()["batch_id"])
    return [batch for batch in batches if _refine_batch_id(case, batch) not in done]


def _refine_batch(settings: Settings, case: UseCase, feed: str, *, bronze_batch: str) -> Decision:
    table, batch_id = case.silver_table(feed), _refine_batch_id(case, bronze_batch)
    contract = load_contract(table)
    rows = case.feeds[feed](_read_bronze(settings, case, feed, bronze_batch))
    report = judge(rows, contract, taken=_read_taken_keys(settings, contract, bronze_batch=bronze_batch))
    accepted, rejected = quarantine.split(rows, report)
    if report.decision.passed:
        _write_accepted(settings, contract, accepted, batch_id=batch_id)
        tables.append(settings, table + REJECTED_SUFFIX, rejected, batch_id=batch_id)
    record_report(settings, case, report, batch_id=batch_id)
    if report.decision.passed:
        return report.decision
    way_out = f"A delivery that should not have come leaves the line by make withdraw BATCH={bronze_batch} BY=<name> REASON=<why>"
    return blocked(GATE, f"{report.decision.reason}. {way_out}", report.decision.evidence)


def _read_taken_keys(settings: Settings, contract: Contract, *, bronze_batch: str) -> pl.DataFrame | None:
    """Keys that silver holds from other batches, where a repeated key is refused; None where it replaces the older row."""
    if contract.key is None or contract.key.on_repeat != "reject":
        return None
    others = tables.read(settings, contract.table).filter(pl.col("_batch_id") != bronze_batch)
    return others.select(contract.key.columns).collect()


def _write_accepted(settings: Settings, contract: Contract, rows: pl.DataFrame, *, batch_id: str) -> None:
    if contract.key is not None and contract.key.on_repeat == "update":
        tables.merge(settings, contract.table, rows, keys=contract.key.columns, batch_id=batch_id)
    else:
        tables.append(settings, contract.table, rows, batch_id=batch_id)


def _refine_batch_id(case: UseCase, bronze_batch: str) -> str:
    """The batch id under which a bronze batch is refined; its slice is the bronze batch's own."""
    slice_name = bronze_batch.split("/", 2)[2].rsplit("/", 1)[0]
    return build_batch_id("refine", case.name, slice_name)
