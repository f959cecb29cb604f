"""What waits for people stays, and what they should know reaches them; a receiver that is dead hurts nobody."""

import http.server
import json
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from headrace.settings import LOCAL_FILE, load_settings
from operations import supervisor
from tests.drills import people
from tests.drills.rig import wait_until
from tests.operations.environment import deploy_file, prefect_api, run_verb, start_run

APPLY = """
from headrace import process
from headrace.settings import load_settings
settings = load_settings()
process.prepare(settings)
from prefect.client.orchestration import get_client
from operations import automations
with get_client(sync_client=True) as client:
    print(automations.apply(settings, client))
"""


@pytest.fixture(scope="module")
def flows(rig):
    """Deployments of the flows in `people`, by name."""
    copy = rig.settings.home / "people.py"
    shutil.copy(Path(people.__file__), copy)
    return {name: deploy_file(rig.settings, copy, name) for name in ("waits", "blocks", "fails")}


@contextmanager
def receiver():
    """A web server on a free port, and the bodies that were posted to it."""
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            """Say nothing on the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/runs", heard
        server.shutdown()


def tell(rig, uri):
    """Set the receiver, and do what `make deploy` does at its end; returns what that did."""
    path = rig.settings.environment_home / LOCAL_FILE
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"notify_uri": uri}))
    said = run_verb(load_settings(rig.settings.environment, home=rig.settings.home, variables={}), "-c", APPLY)
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def start(rig, flows, name):
    return start_run(rig.settings, flows[name])


def answer(rig, run):
    with prefect_api(rig.settings) as api:
        said = api.post(f"/flow_runs/{run}/resume", json={"run_input": {"by": "ada"}}).raise_for_status().json()
    assert said["status"] == "ACCEPT", said


def test_a_run_that_waits_for_a_person_survives_server_and_worker(rig, flows):
    run = start(rig, flows, "waits")
    assert rig.wait(run, "Suspended") == "Suspended"
    rig.kill("worker")
    rig.kill("prefect-server")
    wait_until(lambda: rig.read_run(run)["state_name"] == "Suspended", "the server to be back")
    answer(rig, run)
    assert rig.wait(run) == "Completed"
    assert "Crashed" not in rig.read_states(run)


def test_a_receiver_is_told_what_failed_is_blocked_late_or_waits(rig, flows):
    with receiver() as (uri, heard):
        assert tell(rig, uri) == "added"
        assert tell(rig, uri) == "none"
        runs = {name: start(rig, flows, name) for name in ("fails", "blocks", "waits")}
        for run in runs.values():
            rig.wait(run, "Failed", "Blocked", "Suspended")
        supervisor.stop(rig.settings, "worker")
        runs["late"] = start(rig, flows, "blocks")
        rig.figures["a run that nobody starts, until its receiver is told"] = wait_until(
            lambda: {"Failed", "Blocked", "Suspended", "Late"} <= {body["state"] for body in heard}, "four kinds to be told", seen=lambda: heard
        )
        supervisor.start(rig.settings, "worker")
        answer(rig, runs["waits"])
        assert rig.wait(runs["late"]) == "Blocked"
        assert rig.wait(runs["waits"]) == "Completed"
    told = {body["state"]: body for body in heard}
    assert told["Blocked"]["message"] == "the gate says no"
    assert told["Failed"]["message"] == "Flow run encountered an exception: ValueError"
    assert "secret-value" not in json.dumps(heard)
    assert {body["environment"] for body in heard} == {"staging"}
    assert told["Failed"]["page"].endswith(runs["fails"])


def test_a_dead_receiver_stops_nothing_and_is_tried_once(rig, flows):
    tell(rig, "http://127.0.0.1:9/nobody")
    runs = [start(rig, flows, "fails") for _ in range(3)]
    assert [rig.wait(run) for run in runs] == ["Failed"] * 3
    after = rig.start()
    assert rig.wait(after) == "Completed"
    rig.check_tables()
    chosen = {"event": {"name": ["prefect.automation.action.failed"]}, "occurred": {"since": rig.read_run(runs[0])["created"]}}
    with prefect_api(rig.settings) as api:
        tries = api.post("/events/filter", json={"filter": chosen, "limit": 50}).raise_for_status().json()["events"]
    assert len(tries) == len(runs)
    assert tell(rig, None) == "removed"
