"""The replay clock: which instant a run without `as_of` stands for."""

from datetime import UTC, datetime

import pytest

from headrace import use_case as use_cases
from headrace.decisions import passed
from headrace.errors import UseCaseError
from headrace.lake import runs
from tasks.clock import read_as_of, read_open_ticks
from tasks.lifecycle import choose_stages

CASE = use_cases.load("flight_delay")
FIRST, SECOND, THIRD = CASE.replay.ticks[:3]


def finish(settings, flow, *ticks):
    for tick in ticks:
        run = runs.begin(settings, CASE.name, flow, as_of=tick)
        runs.finish(settings, run, passed(flow, "done"), counts={}, prefect_run_id="")


def test_a_given_instant_is_taken_as_it_is(settings):
    naive = datetime(2013, 7, 1)  # noqa: DTZ001 - a person may leave the offset out
    assert read_as_of(settings, CASE, "train", naive) == datetime(2013, 7, 1, tzinfo=UTC)


def test_a_stage_that_moves_data_goes_to_its_first_open_tick(settings):
    finish(settings, "ingest", FIRST, SECOND)
    finish(settings, "refine", FIRST)
    assert read_as_of(settings, CASE, "ingest", None) == THIRD
    assert read_as_of(settings, CASE, "refine", None) == SECOND


@pytest.mark.parametrize("flow", ["train", "promote", "rollback"])
def test_a_decision_is_made_in_the_present_of_the_replay(settings, flow):
    assert read_as_of(settings, CASE, flow, None) == FIRST
    finish(settings, "ingest", FIRST, SECOND)
    finish(settings, "train", FIRST)
    assert read_as_of(settings, CASE, flow, None) == SECOND


def test_a_finished_tick_is_not_open_and_later_ones_wait_for_their_time(settings):
    runs.record_tick(settings, CASE.name, FIRST)
    assert read_open_ticks(settings, CASE, until=THIRD) == [SECOND, THIRD]
    assert read_open_ticks(settings, CASE, until=FIRST) == []


def test_a_replay_that_the_wall_clock_is_past_is_refused_where_any_of_it_is_open(settings):
    after = datetime(2026, 11, 1, tzinfo=UTC)
    runs.record_tick(settings, CASE.name, after)
    with pytest.raises(UseCaseError, match="flight_delay is at 2026-11-01 00:00Z in dev, and its replay would go back to 2013.*DOCS= of your own"):
        read_open_ticks(settings, CASE, until=None)
    for tick in CASE.replay.ticks:
        runs.record_tick(settings, CASE.name, tick)
    assert read_open_ticks(settings, CASE, until=None) == []


def test_an_instant_after_the_end_of_the_replay_is_refused(settings):
    with pytest.raises(UseCaseError, match="lies after 2014-01-01"):
        read_as_of(settings, CASE, "ingest", datetime(2031, 1, 1, tzinfo=UTC))


def test_an_instant_in_the_future_is_refused_on_a_wall_clock(settings):
    with pytest.raises(UseCaseError, match="lies after"):
        read_as_of(settings.model_copy(update={"clock": "wall"}), CASE, "ingest", datetime(2999, 1, 1, tzinfo=UTC))


def test_a_deployed_lifecycle_takes_the_next_tick_only_and_leaves_judging_to_others(settings, monkeypatch):
    assert choose_stages(CASE) == list(CASE.stages)
    # The variable by which Prefect lets a test say that it runs in a deployment.
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "c0ffee")
    assert read_open_ticks(settings, CASE, until=None) == [FIRST]
    runs.record_tick(settings, CASE.name, FIRST)
    assert read_open_ticks(settings, CASE, until=None) == [SECOND]
    assert choose_stages(CASE) == ["ingest", "refine", "featurize", "score", "monitor"]
