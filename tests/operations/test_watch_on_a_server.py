"""What the watcher does to the runs, limits and events of a real server: who is resumed, who is left alone, what is closed on the way."""

import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from headrace.settings import ROOT
from operations import watch
from operations.held_slots import FREED_AFTER, free_held_slots
from operations.landed import EVENT
from operations.late_runs import SKIPPED, skip_late_runs
from operations.lost_runs import CHILDREN_AFTER, RESUMED, RESUMPTIONS, SILENT_AFTER, Sight, resume_lost_runs
from tests.operations.prefect_server import Server, prefect_server, wait_until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with prefect_server(tmp_path_factory.mktemp("server")) as settings, Server(settings) as server:
        yield server


@pytest.fixture
def server(running):
    """The server, without a run or a deployment."""
    yield running
    running.forget()


def later(**span):
    return datetime.now(UTC) + timedelta(**span)


def look(server, *, at, sight=None, times=1):
    """Look at an instant, as a watcher that the server has long answered."""
    sight = sight or Sight(steady_since=later(hours=-1))
    for _ in range(times):
        resume_lost_runs(server.orchestrator, sight, now=at)
    return sight


@contextmanager
def process_of(run):
    """A process of this machine that looks as if it worked on a run."""
    program = [sys.executable, "-c", "import time; time.sleep(600)  # as prefect does"]
    with subprocess.Popen(program, env={**os.environ, "PREFECT__FLOW_RUN_ID": run}) as engine:
        try:
            yield
        finally:
            engine.kill()


def test_a_run_whose_heartbeat_is_silent_for_three_beats_is_resumed(server):
    lost = server.start("RUNNING")
    beat = server.beat(lost)
    look(server, at=beat + timedelta(seconds=91), times=2)
    assert server.read_types(lost)[-3:] == ["RUNNING", "CRASHED", "SCHEDULED"]
    assert server.read_state(lost)["name"] == RESUMED
    assert "no heartbeat for 91 s" in server.orchestrator.read_states(lost)[-2]["message"]


def test_a_run_that_was_heard_lately_or_has_just_begun_is_left_alone(server):
    heard = server.start("RUNNING")
    beat = server.beat(heard)
    young = server.start("RUNNING")
    look(server, at=beat + SILENT_AFTER, times=3)
    assert [server.read_types(run)[-1] for run in (heard, young)] == ["RUNNING", "RUNNING"]


def test_silence_while_the_server_was_away_counts_for_nothing(server):
    unheard, now = server.start("RUNNING"), later(minutes=10)
    look(server, at=now, sight=Sight(steady_since=now - timedelta(seconds=80)))
    assert server.read_types(unheard)[-1] == "RUNNING"
    look(server, at=now, sight=Sight(steady_since=now - timedelta(seconds=100)))
    assert server.read_types(unheard)[-2:] == ["CRASHED", "SCHEDULED"]


def test_a_process_that_is_alive_here_is_never_doubled(server):
    orphan, called_dead = server.start("RUNNING"), server.start("CRASHED")
    with process_of(orphan), process_of(called_dead):
        look(server, at=later(hours=1), times=3)
    assert [server.read_types(run)[-1] for run in (orphan, called_dead)] == ["RUNNING", "CRASHED"]


def test_a_process_that_was_seen_and_is_gone_is_missed_at_the_second_look(server):
    killed, now = server.start("RUNNING"), later(seconds=20)
    with process_of(killed):
        sight = look(server, at=now)
    look(server, at=now, sight=sight)
    assert server.read_types(killed)[-1] == "RUNNING"
    look(server, at=now, sight=sight)
    assert server.read_state(killed)["name"] == RESUMED
    assert "its process is gone" in server.read_state(killed)["message"]


def test_a_run_is_resumed_three_times_and_then_left_failed_with_the_reason(server):
    doomed = server.start("RUNNING")
    for _ in range(RESUMPTIONS):
        server.move(doomed, "CRASHED", message="out of memory")
        look(server, at=later(minutes=1))
        assert server.read_state(doomed)["name"] == RESUMED
        server.move(doomed, "PENDING")
    server.move(doomed, "CRASHED", message="out of memory")
    look(server, at=later(minutes=1))
    assert server.read_state(doomed)["type"] == "FAILED"
    assert "resumed 3 times and crashed again: out of memory" in server.read_state(doomed)["message"]
    before = server.read_types(doomed)
    look(server, at=later(minutes=1), times=2)
    assert server.read_types(doomed) == before


def test_a_resumption_that_a_late_report_of_the_crash_undid_is_done_again_and_does_not_count(server):
    crashed = server.start("CRASHED")
    for _ in range(RESUMPTIONS + 1):
        look(server, at=later(minutes=1))
        assert "1 of 3" in server.read_state(crashed)["message"]
        server.move(crashed, "CRASHED")
    assert "FAILED" not in server.read_types(crashed)


def test_a_crash_that_was_just_reported_is_left_to_the_second_report(server):
    crashed = server.start("CRASHED")
    look(server, at=later(seconds=5), times=2)
    assert server.read_types(crashed)[-1] == "CRASHED"


@pytest.mark.parametrize("kind", ["FAILED", "COMPLETED", "CANCELLED", "PAUSED", "SCHEDULED"])
def test_what_ended_by_itself_was_blocked_cancelled_or_waits_is_never_touched(server, kind):
    other = server.start(kind)
    before = server.read_types(other)
    assert before[-1] == kind
    look(server, at=later(hours=2), times=3)
    assert server.read_types(other) == before


def test_a_run_that_nobody_took_up_is_scheduled_again_after_five_minutes(server):
    stuck = server.start("PENDING")
    look(server, at=later(minutes=4), times=2)
    assert server.read_types(stuck)[-1] == "PENDING"
    look(server, at=later(minutes=6), times=2)
    assert server.read_state(stuck)["name"] == RESUMED


def test_a_cancellation_that_nobody_carries_out_is_carried_out(server):
    unwanted = server.start("CANCELLING")
    look(server, at=later(minutes=4), times=2)
    assert server.read_types(unwanted)[-1] == "CANCELLING"
    look(server, at=later(minutes=6), times=2)
    assert server.read_types(unwanted)[-2:] == ["CANCELLING", "CANCELLED"]


def test_a_verb_that_a_person_typed_and_that_died_is_closed_and_not_resumed(server):
    typed = server.start_by_hand()
    look(server, at=later(minutes=10), times=2)
    assert server.read_types(typed) == ["PENDING", "RUNNING", "CRASHED"]


def test_what_a_lost_run_left_open_below_it_is_closed_before_it_is_resumed(server):
    lost = server.start("RUNNING")
    refine_task, done = server.start_task(lost, "RUNNING"), server.start_task(lost, "COMPLETED")
    refine = server.start_by_hand(parent_task=refine_task)
    step = server.start_task(refine, "RUNNING")
    look(server, at=later(minutes=10), times=2)
    assert [server.read_task_type(task) for task in (refine_task, step, done)] == ["CRASHED", "CRASHED", "COMPLETED"]
    assert server.read_types(refine)[-2:] == ["RUNNING", "CRASHED"]
    assert server.read_state(lost)["name"] == RESUMED


def test_what_stayed_open_below_a_run_that_ended_well_is_closed_a_minute_later(server):
    well = server.start("RUNNING")
    forgotten = server.start_task(well, "RUNNING")
    server.move(well, "COMPLETED")
    look(server, at=later() + CHILDREN_AFTER / 2)
    assert server.read_task_type(forgotten) == "RUNNING"
    look(server, at=later() + CHILDREN_AFTER)
    assert server.read_task_type(forgotten) == "CRASHED"
    assert server.read_types(well)[-1] == "COMPLETED"


def test_of_a_schedules_missed_runs_the_newest_is_left(server):
    *missed, newest = server.miss(server.deploy(), hours=3)
    [other] = server.miss(server.deploy("retrain"), hours=1)
    skip_late_runs(server.orchestrator, now=later())
    assert [server.read_state(run)["name"] for run in (*missed, newest, other)] == [SKIPPED, SKIPPED, "Late", "Late"]
    assert server.read_state(missed[0])["type"] == "CANCELLED"
    assert server.orchestrator.read_run(newest)["expected_start_time"] in server.read_state(missed[0])["message"]


def test_runs_that_a_person_or_an_event_asked_for_or_that_began_are_not_skipped(server):
    deployment = server.deploy()
    begun, newest = server.miss(deployment, hours=2)
    server.move(begun, "PENDING", "RUNNING", "SCHEDULED")
    asked = [server.start("SCHEDULED", deployment=deployment, at=later(hours=-hours)) for hours in (2, 3)]
    skip_late_runs(server.orchestrator, now=later())
    assert {server.read_types(run)[-1] for run in (begun, newest, *asked)} == {"SCHEDULED"}


def test_a_slot_that_no_run_holds_is_given_back_once_prefect_had_its_time(server):
    limited, now = server.deploy("limited", concurrency_limit=2), later()
    server.deploy("unlimited")
    server.start("RUNNING", deployment=limited)
    server.take_slot(limited)
    since = {}
    free_held_slots(server.orchestrator, since, now=now)
    free_held_slots(server.orchestrator, since, now=now + FREED_AFTER)
    assert server.count_slots(limited) == 2
    free_held_slots(server.orchestrator, since, now=now + FREED_AFTER + timedelta(seconds=1))
    assert server.count_slots(limited) == 1


def test_a_limit_that_is_right_again_starts_its_patience_anew(server):
    limited, now = server.deploy("limited", concurrency_limit=2), later()
    server.start("RUNNING", deployment=limited)
    server.take_slot(limited)
    since = {}
    free_held_slots(server.orchestrator, since, now=now)
    assert list(since.values()) == [now]
    server.give_slot(limited)
    free_held_slots(server.orchestrator, since, now=now + FREED_AFTER)
    assert since == {}


def test_an_event_is_sent_once_and_trouble_is_said_once(server, settings, monkeypatch, caplog):
    monkeypatch.setenv("HEADRACE_ENV", settings.environment)
    monkeypatch.setenv("HEADRACE_HOME", str(settings.home))
    monkeypatch.setenv("HEADRACE_CLOCK", "wall")
    record = settings.environment_home / "run" / "release.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"commit": "c", "folder": str(ROOT), "use_cases": ["flight_delay", "gone"]}))
    memory = watch.Memory(sight=Sight(steady_since=later()), landed_at=later())
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            watch.tell_landed(server.orchestrator, settings, memory)
    wait_until(lambda: len(server.read_events(EVENT)) >= len(memory.told))
    stored = server.read_events(EVENT)
    assert sorted(event["id"] for event in stored) == sorted(memory.told)
    assert "weather-after-the-beginning" in {event["payload"]["subject"] for event in stored}
    assert caplog.text.count("landed: ") == 1
    assert caplog.text.count("has no folder use_cases/gone") == 1


def test_before_the_first_deploy_nothing_is_looked_for(server, settings, caplog):
    memory = watch.Memory(sight=Sight(steady_since=later()), landed_at=later())
    with caplog.at_level(logging.INFO, logger="headrace"):
        watch.tell_landed(server.orchestrator, settings, memory)
    assert memory.told == set()
    assert [line for line in caplog.record_tuples if line[0].startswith("headrace")] == []
