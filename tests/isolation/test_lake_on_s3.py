"""A lake on S3 keeps what a local lake keeps: every batch once, whoever writes at the same moment, and stages that find it."""

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.pool import Pool
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from headrace.console.facts import read_tables
from headrace.errors import BatchError, LakeError
from headrace.lake import ingestion, refinement, tables
from headrace.lake.contracts import find_contract
from headrace.lake.runs import begin, finish
from headrace.settings import Settings, load_settings
from tests.lake import writers
from tests.small_flights import small_flights

pytestmark = pytest.mark.story

WRITERS, BATCHES, MERGES = 4, 5, 2


def append_some(settings: Settings, writer: int) -> list[bool]:
    return [tables.append(settings, writers.SALES, writers.sales(batch, writer), batch_id=batch_id(batch, writer)).is_new for batch in range(BATCHES)]


def merge_some(settings: Settings, writer: int) -> list[bool]:
    # Every merge conflicts with every other, so each more costs all of them another attempt.
    rows = [writers.prices(tea=float(writer), **{f"own{writer}-{batch}": 1.0}) for batch in range(MERGES)]
    return [tables.merge(settings, writers.PRICES, row, keys=["item"], batch_id=batch_id(batch, writer)).is_new for batch, row in enumerate(rows)]


def replace_same(settings: Settings, writer: int) -> list[bool]:
    """Every writer the same batches: one of them writes each."""
    return [
        tables.replace(settings, writers.DAYS, writers.sales(batch), where={"amount": batch}, batch_id=batch_id(batch, 0)).is_new
        for batch in range(BATCHES)
    ]


def batch_id(batch: int, writer: int) -> str:
    return f"ingest/shop/{writer}-{batch}/1"


def race(pool: Pool, write: Callable[[Settings, int], list[bool]], settings: Settings) -> list[list[bool]]:
    """Processes that share nothing but the storage, all at once; what each was told, batch by batch."""
    values = json.dumps({"lake_uri": settings.lake_uri, "storage": dict(settings.storage), "readable": {}})
    return pool.starmap(_write, [(write, settings.home, values, writer) for writer in range(WRITERS)], chunksize=1)


def _write(write: Callable[[Settings, int], list[bool]], home: Path, values: str, writer: int) -> list[bool]:
    variables = {f"HEADRACE_{name.upper()}": json.dumps(value) for name, value in json.loads(values).items()}
    return write(load_settings("dev", home=home, variables=variables), writer)


def test_writers_at_the_same_moment_leave_every_batch_once(server):
    settings = server.settings("dev", "races", readable={})
    appended, merged = ([batch_id(batch, writer) for batch in range(count) for writer in range(WRITERS)] for count in (BATCHES, MERGES))
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        assert race(pool, append_some, settings) == [[True] * BATCHES] * WRITERS
        assert race(pool, merge_some, settings) == [[True] * MERGES] * WRITERS
        told = race(pool, replace_same, settings)

    assert_batches(settings, writers.SALES, appended)
    assert tables.read(settings, writers.SALES).collect().height == 2 * WRITERS * BATCHES
    assert_batches(settings, writers.PRICES, merged)
    assert tables.read(settings, writers.PRICES).collect().height == WRITERS * MERGES + 1
    # Each of these batches was every writer's: one wrote it, the others were told that it is there.
    assert [sum(answers) for answers in zip(*told, strict=True)] == [1] * BATCHES
    assert_batches(settings, writers.DAYS, [batch_id(batch, 0) for batch in range(BATCHES)])
    assert writers.read_sorted(settings, writers.DAYS)["amount"].to_list() == list(range(BATCHES))


def assert_batches(settings, table, expected):
    written = tables.read_history(settings, table)["batch_id"].drop_nulls().to_list()
    assert sorted(written) == sorted(expected)


def test_a_remote_table_is_read_at_any_version_and_keeps_its_ledger(server):
    settings = server.settings("dev", "versions")
    for day, amounts in enumerate(((1, 2), (3,))):
        assert tables.append(settings, writers.SALES, writers.sales(*amounts), batch_id=f"ingest/shop/{day}/1").is_new
    assert not tables.append(settings, writers.SALES, writers.sales(3), batch_id="ingest/shop/1/1").is_new
    with pytest.raises(BatchError, match="with other content"):
        tables.append(settings, writers.SALES, writers.sales(4), batch_id="ingest/shop/1/1")

    pinned = tables.read(settings, writers.SALES)
    assert [tables.read(settings, writers.SALES, version=version).collect().height for version in (0, 1, 2)] == [0, 2, 3]
    tables.append(settings, writers.SALES, writers.sales(5), batch_id="ingest/shop/2/1")
    assert pinned.collect().height == 3
    assert tables.is_written(settings, writers.SALES, batch_id="ingest/shop/2/1")
    assert not tables.is_written(settings, writers.SALES, batch_id="ingest/shop/9/1")
    with pytest.raises(LakeError, match="has versions 0 to 3, not 7"):
        tables.read(settings, writers.SALES, version=7)
    with pytest.raises(LakeError, match="does not exist in s3://headrace-dev/lake/versions/silver"):
        tables.read(settings, writers.PRICES)
    assert tables.list_tables(settings) == [writers.SALES]


def test_ingest_and_refine_leave_the_same_tables_on_s3_as_on_disk(server, tmp_path):
    whole, as_of = small_flights(), datetime(2013, 1, 8, tzinfo=UTC)
    # One feed that appends and one that merges; each more costs seconds of judging and shows nothing more.
    case = replace(whole, feeds={feed: whole.feeds[feed] for feed in ("weather", "airlines")})
    remote, local = server.settings("dev", "flights"), load_settings("dev", home=tmp_path, variables={})
    for settings in (remote, local):
        for stage, feed_step in (("ingest", ingestion.append_feed), ("refine", refinement.refine_feed)):
            run = begin(settings, case.name, stage, as_of=as_of)
            steps = [feed_step(settings, case, feed, as_of=as_of) for feed in case.feeds]
            assert all(step.decision.passed for step in steps)
            finish(settings, run, steps[0].decision, counts={}, prefect_run_id="")
            assert begin(settings, case.name, stage, as_of=as_of).is_finished

    assert_frame_equal(read_tables(remote), read_tables(local))
    assert not (remote.lake_root).exists()
    for table in tables.list_tables(local):
        contract = find_contract(table)
        volatile = contract.volatile if contract else ()
        ours, theirs = (tables.read(settings, table).drop(volatile).collect() for settings in (remote, local))
        assert_frame_equal(ours.sort(ours.columns), theirs.sort(theirs.columns))
