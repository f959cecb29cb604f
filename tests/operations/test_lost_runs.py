"""Who is resumed, who is left alone, and what is closed on the way."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest

from operations import lost_runs
from operations.lost_runs import RESUMED, Sight, count_resumptions, list_processes, resume_lost_runs
from tests.operations.small_server import NOW, SmallServer, ago, run


def look(server, sight=None, times=1):
    sight = sight or Sight(steady_since=NOW - timedelta(hours=1))
    for _ in range(times):
        resume_lost_runs(server, sight, now=NOW)
    return sight


@pytest.fixture(autouse=True)
def no_process(monkeypatch):
    """This machine works on no run, unless a test says so."""
    monkeypatch.setattr(lost_runs, "list_processes", dict)


def test_a_run_whose_heartbeat_is_silent_for_three_beats_is_resumed():
    server = SmallServer(run("lost", "RUNNING", at=ago(minutes=10)), beats={"lost": NOW - timedelta(seconds=91)})
    look(server, times=2)
    assert server.runs["lost"]["state_name"] == RESUMED
    assert [state["type"] for state in server.history["lost"]] == ["CRASHED", "SCHEDULED"]
    assert "no heartbeat for 91 s" in server.history["lost"][0]["message"]


def test_a_run_that_was_heard_lately_is_left_alone():
    server = SmallServer(run("heard", "RUNNING", at=ago(minutes=10)), run("young", "RUNNING", at=ago(seconds=60)), beats={"heard": NOW})
    look(server, times=3)
    assert server.history == {}


def test_silence_while_the_server_was_away_counts_for_nothing():
    server = SmallServer(run("unheard", "RUNNING", at=ago(minutes=10)))
    look(server, Sight(steady_since=NOW - timedelta(seconds=80)))
    assert server.history == {}
    look(server, Sight(steady_since=NOW - timedelta(seconds=100)))
    assert server.history["unheard"][0]["type"] == "CRASHED"


def test_a_process_that_is_alive_here_is_never_doubled(monkeypatch):
    monkeypatch.setattr(lost_runs, "list_processes", lambda: {"orphan": 1, "called-dead": 2})
    server = SmallServer(run("orphan", "RUNNING", at=ago(hours=1)), run("called-dead", "CRASHED", at=ago(hours=1)))
    look(server, times=3)
    assert server.history == {}


def test_a_process_that_was_seen_and_is_gone_is_missed_at_the_second_look(monkeypatch):
    server = SmallServer(run("killed", "RUNNING", at=ago(seconds=20)))
    monkeypatch.setattr(lost_runs, "list_processes", lambda: {"killed": 1})
    sight = look(server)
    monkeypatch.setattr(lost_runs, "list_processes", dict)
    look(server, sight)
    assert server.history == {}
    look(server, sight)
    assert server.runs["killed"]["state_name"] == RESUMED
    assert "its process is gone" in server.runs["killed"]["state"]["message"]


def test_a_run_is_resumed_three_times_and_then_left_failed_with_the_reason():
    crashed = run("doomed", "CRASHED", at=ago(minutes=1)) | {"state": {"message": "out of memory", "timestamp": ago(minutes=1)}}
    server = SmallServer(dict(crashed))
    for _ in range(lost_runs.RESUMPTIONS):
        look(server)
        assert server.runs["doomed"]["state_name"] == RESUMED
        server.history["doomed"] += [{"name": "Running", "type": "RUNNING"}, {"name": "Crashed", "type": "CRASHED"}]
        server.runs["doomed"] |= crashed
    look(server)
    assert server.runs["doomed"]["state_type"] == "FAILED"
    assert "resumed 3 times and crashed again: out of memory" in server.runs["doomed"]["state"]["message"]
    before = len(server.history["doomed"])
    look(server, times=2)
    assert len(server.history["doomed"]) == before


def test_a_resumption_that_a_late_report_of_the_crash_undid_does_not_count():
    states = [{"name": name, "type": kind} for name, kind in (("Crashed", "CRASHED"), (RESUMED, "SCHEDULED"), ("Crashed", "CRASHED"))]
    assert count_resumptions(states) == 0
    states += [{"name": RESUMED, "type": "SCHEDULED"}, {"name": "Pending", "type": "PENDING"}, {"name": "Crashed", "type": "CRASHED"}]
    assert count_resumptions(states) == 1


@pytest.mark.parametrize("state", ["FAILED", "COMPLETED", "CANCELLED", "PAUSED", "SCHEDULED"])
def test_what_ended_by_itself_was_blocked_cancelled_or_waits_is_never_touched(state):
    server = SmallServer(run("other", state, at=ago(hours=2)))
    look(server, times=3)
    assert server.history == {}


def test_a_run_that_nobody_took_up_is_scheduled_again_after_five_minutes():
    server = SmallServer(run("stuck", "PENDING", at=ago(minutes=6)), run("starting", "PENDING", at=ago(minutes=4)))
    look(server, times=2)
    assert server.runs["stuck"]["state_name"] == RESUMED
    assert server.runs["starting"]["state_type"] == "PENDING"


def test_a_cancellation_that_nobody_carries_out_is_carried_out():
    server = SmallServer(run("unwanted", "CANCELLING", at=ago(minutes=6)))
    look(server, times=2)
    assert server.runs["unwanted"]["state_type"] == "CANCELLED"


def test_a_verb_that_a_person_typed_and_that_died_is_closed_and_not_resumed():
    server = SmallServer(run("typed", "RUNNING", at=ago(minutes=10), deployment_id=None))
    look(server, times=2)
    assert [state["type"] for state in server.history["typed"]] == ["CRASHED"]


def test_what_a_lost_run_left_open_below_it_is_closed_before_it_is_resumed():
    tasks = [
        {"id": "refine-task", "flow_run_id": "lost", "state_type": "RUNNING"},
        {"id": "step", "flow_run_id": "refine", "state_type": "RUNNING"},
        {"id": "done", "flow_run_id": "lost", "state_type": "COMPLETED"},
    ]
    stage = run("refine", "RUNNING", at=ago(minutes=9), deployment_id=None, parent_task_run_id="refine-task")
    server = SmallServer(run("lost", "RUNNING", at=ago(minutes=10)), stage, tasks=tasks)
    look(server, times=2)
    assert {name: row["state_type"] for name, row in server.tasks.items()} == {"refine-task": "CRASHED", "step": "CRASHED", "done": "COMPLETED"}
    assert server.runs["refine"]["state_type"] == "CRASHED"
    assert server.runs["lost"]["state_name"] == RESUMED


def test_what_stayed_open_below_a_run_that_ended_well_is_closed_too():
    server = SmallServer(run("well", "COMPLETED", at=ago(minutes=9)), tasks=[{"id": "forgotten", "flow_run_id": "well", "state_type": "RUNNING"}])
    look(server)
    assert server.tasks["forgotten"]["state_type"] == "CRASHED"
    assert server.runs["well"]["state_type"] == "COMPLETED"


def test_the_process_of_a_run_is_found_by_its_variable():
    program = [sys.executable, "-c", "import time; time.sleep(60)  # as prefect does"]
    other = [sys.executable, "-c", "import time; time.sleep(60)  # started by a flow"]
    variables = {**os.environ, "PREFECT__FLOW_RUN_ID": "0a1b"}
    with subprocess.Popen(program, env=variables) as engine, subprocess.Popen(other, env=variables) as child:
        try:
            found = list_processes()
        finally:
            engine.kill()
            child.kill()
    assert found["0a1b"] == engine.pid
