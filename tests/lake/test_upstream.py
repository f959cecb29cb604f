"""Another environment's bronze as a source: taken once, filtered, read-only."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from headrace import use_case as use_cases
from headrace.decisions import blocked, passed
from headrace.errors import AccessError, SourceError
from headrace.lake import ingestion, refinement, runs, tables
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.lake.upstream import UpstreamBronze
from headrace.settings import load_settings
from headrace.source import Delivery

TABLE = "bronze.flight_delay_weather"
MONDAY, TUESDAY, WEDNESDAY = (datetime(2013, 3, day, tzinfo=UTC) for day in (4, 5, 6))
COLUMNS = {name: dtype for name, dtype in load_contract(TABLE).schema.items() if name not in SYSTEM_COLUMNS}


def weather(*origins, known_at=MONDAY):
    return pl.DataFrame({name: [known_at if name == "known_at" else None] * len(origins) for name in COLUMNS}, schema=COLUMNS).with_columns(
        pl.Series("origin", origins, dtype=pl.String)
    )


class Deliveries:
    """A source that has these rows for each instant."""

    def __init__(self, **rows_by_name):
        self.rows = rows_by_name

    def deliveries(self, feed, *, after, until):
        named = self.rows.items()
        return [Delivery(feed=feed, slice_name=name, arrived_at=until, origin="test", read=lambda rows=rows: rows) for name, rows in named]


@pytest.fixture
def prod(tmp_path):
    return load_settings("prod", home=tmp_path, variables={})


@pytest.fixture
def staging(tmp_path):
    return load_settings("staging", home=tmp_path, variables={})


def ingest_upstream(prod, as_of, **rows_by_name):
    case = replace(use_cases.load("flight_delay"), source=Deliveries(**rows_by_name))
    assert ingestion.append_feed(prod, case, "weather", as_of=as_of).decision.passed


def ingest(staging, as_of):
    return ingestion.append_feed(staging, use_cases.load_in(staging, "flight_delay"), "weather", as_of=as_of)


def origins(settings):
    return sorted(tables.read(settings, TABLE).collect()["origin"].to_list())


def test_what_upstream_has_ingested_is_taken_once_and_named_after_its_batch(prod, staging):
    ingest_upstream(prod, MONDAY, monday=weather("LGA", "LGA"))
    assert ingest(staging, TUESDAY).rows_written == 2
    ingest_upstream(prod, TUESDAY, tuesday=weather("LGA"))
    assert ingest(staging, WEDNESDAY).rows_written == 1
    assert ingest(staging, WEDNESDAY).rows_written == 1, "the slice is counted, not taken again"
    taken = tables.read(staging, TABLE).collect()
    assert taken.height == 3
    assert set(taken["_batch_id"]) == {f"ingest/flight_delay/weather-prod:weather-{day}:1/1" for day in ("monday", "tuesday")}
    assert set(taken["_source"]) == {f"prod.{TABLE}"}


def test_an_upstream_batch_that_was_committed_late_is_not_missed(prod, staging):
    ingest_upstream(prod, TUESDAY, tuesday=weather("LGA"))
    ingest(staging, WEDNESDAY)
    ingest_upstream(prod, MONDAY, late=weather("LGA", "LGA"))
    ingest(staging, datetime(2013, 3, 7, tzinfo=UTC))
    assert len(origins(staging)) == 3


def test_what_upstream_ingested_after_the_slice_waits(prod, staging):
    ingest_upstream(prod, WEDNESDAY, wednesday=weather("LGA"))
    assert ingest(staging, TUESDAY).rows_written == 0
    assert ingest(staging, WEDNESDAY).rows_written == 1


def test_only_the_rows_of_the_declared_subset_are_taken(prod, staging):
    ingest_upstream(prod, MONDAY, monday=weather("LGA", "JFK", "EWR", "LGA"))
    ingest(staging, TUESDAY)
    assert origins(staging) == ["LGA", "LGA"]
    assert origins(prod) == ["EWR", "JFK", "LGA", "LGA"]


def test_system_columns_are_the_readers_own(prod, staging):
    ingest_upstream(prod, MONDAY, monday=weather("LGA"))
    (delivery,) = UpstreamBronze(settings=staging, environment="prod", use_case="flight_delay").deliveries("weather", after=None, until=TUESDAY)
    assert delivery.read().schema == pl.Schema(COLUMNS)
    assert delivery.arrived_at == MONDAY


def test_an_upstream_table_that_does_not_exist_yet_names_the_next_move(staging):
    with pytest.raises(SourceError, match=r"prod\.bronze\.flight_delay_weather does not exist yet; run make ingest ENV=prod"):
        ingest(staging, TUESDAY)


def test_a_feed_of_which_nothing_ever_came_upstream_brings_nothing(prod, staging):
    """As feedback and questions of an assistant that nobody has asked yet."""
    run = runs.begin(prod, "flight_delay", "ingest", as_of=MONDAY)
    runs.finish(prod, run, blocked("ingest", "its schema"), counts={}, prefect_run_id="")
    with pytest.raises(SourceError, match="does not exist yet"):
        ingest(staging, TUESDAY)
    runs.finish(prod, run, passed("ingest", "all came"), counts={}, prefect_run_id="")
    assert ingest(staging, TUESDAY).rows_written == 0
    ingest_upstream(prod, TUESDAY, tuesday=weather("LGA"))
    assert ingest(staging, WEDNESDAY).rows_written == 1


def test_a_feed_that_came_upstream_and_whose_table_is_gone_is_no_empty_one(prod, staging):
    ingest_upstream(prod, MONDAY, monday=weather("LGA"))
    refinement.refine_feed(prod, use_cases.load("flight_delay"), "weather", as_of=MONDAY)
    runs.finish(prod, runs.begin(prod, "flight_delay", "ingest", as_of=MONDAY), passed("ingest", "all came"), counts={}, prefect_run_id="")
    shutil.rmtree(prod.lake_root / "bronze" / "flight_delay_weather")
    with pytest.raises(SourceError, match="does not exist yet"):
        ingest(staging, TUESDAY)


def test_an_environment_that_may_not_be_read_is_refused(tmp_path):
    closed = load_settings("prod", home=tmp_path, variables={"HEADRACE_READS_FROM": "staging"})
    with pytest.raises(SourceError, match="the weather of staging may not be read: prod may not read"):
        ingest(closed, TUESDAY)


def test_an_upstream_table_that_is_broken_is_told_by_name(prod, staging):
    ingest_upstream(prod, MONDAY, monday=weather("LGA"))
    for path in (prod.lake_root / "bronze" / "flight_delay_weather" / "_delta_log").glob("*.json"):
        path.write_text("{")
    with pytest.raises(SourceError, match=r"prod\.bronze\.flight_delay_weather cannot be read"):
        ingest(staging, TUESDAY)


def test_reading_upstream_writes_nothing_there(prod, staging):
    ingest_upstream(prod, MONDAY, monday=weather("LGA"))
    before = sorted(path.relative_to(prod.environment_home) for path in prod.environment_home.rglob("*"))
    ingest(staging, TUESDAY)
    assert sorted(path.relative_to(prod.environment_home) for path in prod.environment_home.rglob("*")) == before
    with pytest.raises(AccessError, match="staging may not write prod"):
        tables.append(staging, f"prod.{TABLE}", weather("LGA"), batch_id="ingest/flight_delay/x/1")
