"""What the watcher does beside resuming: late runs, slots, deliveries; and that nothing ends it."""

import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.lake import ingestion
from headrace.lake.landing import LandingFolder
from headrace.settings import ROOT, load_settings
from operations import landed, watch
from operations.held_slots import FREED_AFTER, free_held_slots
from operations.late_runs import SKIPPED, skip_late_runs
from operations.lost_runs import Sight
from tests.operations.small_server import NOW, SmallServer, ago, run
from tests.small_flights import small_flights


def scheduled(name, *, hours, **fields):
    return run(name, "SCHEDULED", at=ago(hours=30), **({"run_count": 0, "expected_start_time": ago(hours=hours)} | fields))


def test_of_a_schedules_missed_runs_the_newest_is_left():
    late = [scheduled(f"late-{hours}", hours=hours, state_name="Late") for hours in (3, 1, 2)]
    other = scheduled("other-deployment", hours=5, deployment_id="retrain")
    server = SmallServer(*late, other)
    skip_late_runs(server, now=NOW)
    assert {name for name, row in server.runs.items() if row["state_name"] == SKIPPED} == {"late-3", "late-2"}
    assert server.runs["late-2"]["state_type"] == "CANCELLED"
    assert ago(hours=1) in server.runs["late-2"]["state"]["message"]


def test_runs_that_a_person_or_an_event_asked_for_are_not_skipped():
    asked = [scheduled(f"asked-{hours}", hours=hours, auto_scheduled=False) for hours in (2, 3)]
    begun = scheduled("begun", hours=4, run_count=1)
    server = SmallServer(*asked, begun, scheduled("newest", hours=1))
    skip_late_runs(server, now=NOW)
    assert server.history == {}


def test_a_slot_that_no_run_holds_is_given_back_once_prefect_had_its_time():
    server = SmallServer(run("working", "RUNNING", at=ago(minutes=1)))
    server.limits = {"lifecycle": {"id": "limit", "name": "lifecycle", "active_slots": 2}, "unlimited": None}
    since = {}
    free_held_slots(server, since, now=NOW)
    free_held_slots(server, since, now=NOW + FREED_AFTER)
    assert server.limits["lifecycle"]["active_slots"] == 2
    free_held_slots(server, since, now=NOW + FREED_AFTER + timedelta(seconds=1))
    assert server.limits["lifecycle"]["active_slots"] == 1


def test_a_limit_that_is_right_again_starts_its_patience_anew():
    server = SmallServer(run("working", "RUNNING", at=ago(minutes=1)))
    server.limits = {"lifecycle": {"id": "limit", "name": "lifecycle", "active_slots": 2}}
    since = {}
    free_held_slots(server, since, now=NOW)
    server.limits["lifecycle"]["active_slots"] = 1
    free_held_slots(server, since, now=NOW + FREED_AFTER)
    assert since == {}


def test_a_landed_file_is_told_until_it_is_in_bronze_and_always_by_the_same_id(settings, tmp_path):
    folder = tmp_path / "landing"
    (folder / "airlines").mkdir(parents=True)
    (folder / "airlines" / "new.csv").write_text("carrier,name,known_at\nAA,American,2013-01-01T00:00:00Z\n")
    case = replace(small_flights(), source=LandingFolder(folder=folder, use_case="flight_delay"), feeds={"airlines": pl.DataFrame.clone})
    now = datetime.now(UTC)
    first, again = (list(landed.list_events(settings, case, now=now + timedelta(minutes=minutes))) for minutes in (1, 2))
    assert len(first) == 1
    assert first[0]["id"] == again[0]["id"]
    assert first[0]["resource"]["prefect.resource.id"] == "headrace.dev.flight_delay"
    assert set(first[0]["payload"]) == {"use_case", "subject"}
    assert "American" not in json.dumps(first)
    ingestion.append_feed(settings, case, "airlines", as_of=now + timedelta(minutes=3))
    assert list(landed.list_events(settings, case, now=now + timedelta(minutes=4))) == []


def test_a_window_that_grows_while_it_is_looked_at_is_one_event(settings):
    now = datetime(2013, 2, 1, tzinfo=UTC)
    case = replace(small_flights(), feeds={"weather": pl.DataFrame.clone})
    first, again = (list(landed.list_events(settings, case, now=now + timedelta(minutes=minutes))) for minutes in (0, 7))
    assert [event["id"] for event in first] == [event["id"] for event in again]
    assert all("after-the-beginning" in event["payload"]["subject"] for event in first)


def test_an_event_is_sent_once_and_trouble_is_said_once(settings, tmp_path, caplog):
    program = tmp_path / "release" / "operations" / "landed.py"
    program.parent.mkdir(parents=True)
    program.with_name("__init__.py").touch()
    program.write_text('import sys\nprint(\'{"id": "a", "payload": {"subject": "weather-1"}}\')\nsys.exit(\'source is gone\')\n')
    record = settings.environment_home / "run" / "release.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"commit": "c", "folder": str(tmp_path / "release"), "python": sys.executable}))
    server, memory = SmallServer(), watch.Memory(sight=Sight(steady_since=NOW), landed_at=NOW)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            watch.tell_landed(server, settings, memory)
    assert [event["id"] for event in server.sent] == ["a"]
    assert caplog.text.count("source is gone") == 1


def test_before_the_first_deploy_nothing_is_looked_for(settings):
    memory = watch.Memory(sight=Sight(steady_since=NOW), landed_at=NOW)
    server = SmallServer()
    watch.tell_landed(server, settings, memory)
    assert server.sent == []


def test_a_server_that_is_away_is_waited_for_and_said_once(settings, caplog):
    looks = iter([False, False, False, True])
    with caplog.at_level(logging.INFO):
        watch.watch(settings, every=0.01, ended=lambda: next(looks))
    assert caplog.text.count("waiting for the server") == 1


@pytest.mark.story
def test_a_second_watcher_waits_until_the_first_has_ended(tmp_path):
    command = [sys.executable, "-m", "operations.watch", "--every", "0.2"]
    variables = {**os.environ, "HEADRACE_ENV": "dev", "HEADRACE_HOME": str(tmp_path)}
    log = load_settings("dev", home=tmp_path).environment_home / "log" / "watch.log"
    with subprocess.Popen(command, cwd=ROOT, env=variables) as first:
        wait_for(log, "waiting for the server")
        with subprocess.Popen(command, cwd=ROOT, env=variables) as second:
            wait_for(log, "another watcher is at work")
            first.kill()
            first.wait()
            wait_for(log, "waiting for the server", times=2)
            assert second.poll() is None
            second.kill()


def wait_for(log, text, *, times=1, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if log.exists() and log.read_text().count(text) >= times:
            return
        time.sleep(0.1)
    raise AssertionError(f"{log} did not say {text!r} {times} times within {seconds} s")
