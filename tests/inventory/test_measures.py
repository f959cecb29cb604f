"""What a real lake says about its tables."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from headrace.inventory import measures
from headrace.inventory.entries import list_entries
from headrace.inventory.measures import read_judged_at, read_sample, read_state
from headrace.inventory.reading import read_catalog
from headrace.lake import tables
from headrace.lake.catalog import look_at
from headrace.lake.contracts import load_contract
from headrace.lake.runs import TABLE
from headrace.settings import load_settings
from tests.console.year import CASE, UTC_MICROSECONDS, at, write_outcomes, write_runs

OUTCOMES = "silver.flight_delay_flight_outcomes"
ENTRIES = {entry.name: entry for entry in list_entries([CASE])}


@pytest.fixture
def lake(settings):
    """Forty flights with outcomes, the newest known on 30 June at 06:00, and runs until 1 July."""
    write_outcomes(settings)
    write_runs(settings)
    return settings


def test_a_table_that_nothing_was_written_to_has_no_state(settings):
    assert read_state(settings, ENTRIES[OUTCOMES], judged_at=at(7)) is None


def test_a_state_tells_rows_version_batch_and_newest_row(lake):
    state = read_state(lake, ENTRIES[OUTCOMES], judged_at=at(7))
    assert state is not None
    assert (state.row_count, state.version, state.sampled_rows) == (40, 1, 40)
    assert state.batch_id == f"test/flight_delay/{OUTCOMES}/1"
    assert state.newest_at == at(6, 30, 6)
    assert set(state.sketches) == set(load_contract(OUTCOMES).schema)


@pytest.mark.parametrize(("judged_at", "is_stale"), [(at(7, 1, 6), False), (at(7, 1, 7), True), (None, False)])
def test_a_table_is_stale_when_its_newest_row_is_older_than_its_contract_allows(lake, judged_at: datetime | None, is_stale):
    state = read_state(lake, ENTRIES[OUTCOMES], judged_at=judged_at)
    assert state is not None
    assert state.limit_hours == 24
    assert state.is_stale is is_stale


def test_rows_that_became_known_later_do_not_make_a_table_fresh(lake):
    state = read_state(lake, ENTRIES[OUTCOMES], judged_at=at(6, 29))
    assert state is not None
    assert state.newest_at is not None
    assert state.newest_at < at(6, 1)
    assert state.is_stale


def test_rejected_rows_do_not_grow_stale(lake):
    rejected = ENTRIES[f"{OUTCOMES}_rejected"]
    assert rejected.contract is not None
    assert rejected.contract.freshness_hours is None


def test_a_replay_is_judged_by_the_time_it_has_reached(lake):
    assert read_judged_at(lake, "flight_delay") == at(7)
    assert read_judged_at(lake, "other") is None


def test_what_several_use_cases_write_to_is_judged_by_the_clock_of_none(lake):
    write_later_run(lake)
    assert read_judged_at(lake, "flight_delay") == at(7)
    assert read_judged_at(lake, None) is None
    catalog = read_catalog(lake, [CASE])
    assert catalog.clocks == {"flight_delay": at(7)}
    shared = catalog.states["metrics.pipeline_runs"]
    assert shared.newest_at is not None
    assert shared.newest_at > at(9), "what was recorded after the instant that a replay has reached counts too"
    assert (shared.age, shared.is_stale) == (None, False)
    assert catalog.states[OUTCOMES].age == timedelta(hours=18)


def write_later_run(settings):
    """A run of another use case, whose replay has reached September."""
    times = {name: at(9) for name in ("as_of", "started_at", "finished_at")}
    run = {"use_case": "other", "flow": "refine", "slice_name": "9", "status": "passed", "reason": "because", "prefect_run_id": ""}
    rows = pl.DataFrame([run | times | {"duration_s": 0.0, "rows_read": 0, "rows_written": 0}], schema=load_contract(TABLE).schema)
    tables.append(settings, TABLE, rows, batch_id="test/other/9/1")


def test_the_clock_of_the_environment_that_is_looked_at_decides(lake):
    prod = load_settings("prod", home=lake.home, variables={})
    judged_at = read_judged_at(look_at(lake, "prod"), "flight_delay")
    assert judged_at is not None
    assert abs(judged_at - (read_judged_at(prod, None) or at(1))) < timedelta(minutes=1)


def test_a_sample_is_bounded_spread_over_the_table_and_always_the_same():
    rows = pl.LazyFrame({"number": range(10 * measures.SAMPLE_ROWS)})
    sample = read_sample(rows, 10 * measures.SAMPLE_ROWS)
    assert sample.height == measures.SAMPLE_ROWS
    assert sample["number"].n_unique() == measures.SAMPLE_ROWS
    assert sample["number"].min() == 0
    assert sample["number"].max() == 10 * measures.SAMPLE_ROWS - 1
    assert sample["number"].mean() == pytest.approx(5 * measures.SAMPLE_ROWS, rel=0.01)
    assert read_sample(rows, 10 * measures.SAMPLE_ROWS).equals(sample)


@pytest.mark.parametrize("row_count", [0, 1, measures.SAMPLE_ROWS, measures.SAMPLE_ROWS + 1])
def test_no_row_is_sampled_twice_where_stretches_could_meet(row_count):
    sample = read_sample(pl.LazyFrame({"number": range(row_count)}), row_count)
    assert sample["number"].n_unique() == sample.height == min(row_count, measures.SAMPLE_ROWS)


class TestCatalog:
    def test_an_empty_environment_has_every_entry_and_no_state(self, settings):
        catalog = read_catalog(settings, [CASE])
        assert (catalog.states, catalog.row_count, catalog.stale) == ({}, 0, [])
        assert len(catalog.unwritten) == len(catalog.entries) == len(ENTRIES)
        assert len(catalog.features) == len(CASE.features.names)

    def test_it_tells_what_is_stale_unpromised_and_personal(self, lake):
        rows = pl.DataFrame({"note": ["x"], "at": [at(7)]}, schema={"note": pl.String, "at": UTC_MICROSECONDS})
        tables.append(lake, "silver.flight_delay_notes", rows, batch_id="test/x/y/1")
        tables.append(lake, "silver.ships_notes", rows, batch_id="test/x/y/1")
        catalog = read_catalog(lake, [CASE])
        assert catalog.stale == []
        assert catalog.unpromised == ["silver.flight_delay_notes", "silver.ships_notes"]
        assert "metrics.promotions.approver" in catalog.personal

    def test_tables_of_use_cases_that_are_not_covered_are_left_out(self, lake):
        rows = pl.DataFrame({"note": ["x"]})
        tables.append(lake, "silver.ships_notes", rows, batch_id="test/x/y/1")
        assert "silver.ships_notes" not in {entry.name for entry in read_catalog(lake, [CASE], others=["ships"]).entries}

    def test_a_use_case_that_declares_nothing_in_the_lake_is_no_obstacle(self, settings):
        assert read_catalog(settings, []).features == ()
        assert {entry.layer for entry in read_catalog(settings, []).entries} == {"metrics"}
