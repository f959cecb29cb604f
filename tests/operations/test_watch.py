"""What the watcher knows of deliveries, and that nothing ends it. What it does on a server: `test_watch_on_a_server.py`."""

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
from operations import landed, services, watch
from tests.small_flights import small_flights


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


def test_landed_data_are_looked_for_where_the_deployed_runs_look(settings, tmp_path):
    """A release is a clone without a landing folder."""
    module = tmp_path / "release" / "operations" / "landed.py"
    module.parent.mkdir(parents=True)
    (module.parent / "__init__.py").touch()
    module.write_text("import json, os\nprint(json.dumps({'id': '1', 'payload': {'subject': os.environ['HEADRACE_LANDING_ROOT']}}))\n")
    written = {"commit": "0" * 40, "folder": str(tmp_path / "release"), "python": sys.executable, "landing": "/clone/landing", "use_cases": []}
    services.write_release(settings, written)
    sent = []

    class Sink:
        def emit(self, events):
            sent.extend(events)

    watch.tell_landed(Sink(), settings, watch.Memory(sight=watch.Sight(steady_since=datetime.now(UTC)), landed_at=datetime.now(UTC)))
    assert [event["payload"]["subject"] for event in sent] == ["/clone/landing"]


def test_what_is_replayed_lands_at_no_instant_but_its_ticks(tmp_path, monkeypatch, capsys):
    """A folder of one's own documents has no past, so what changes in it lands, whatever the environment's clock."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.md").write_text("# One\n\nA page of one's own.\n")
    monkeypatch.setattr(sys, "argv", ["landed", "--use-case", "docs_assistant"])
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "home"))
    assert landed.main() == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("HEADRACE_DOCUMENTS_ROOT", str(tmp_path / "docs"))
    assert landed.main() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["event"] == landed.EVENT


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
