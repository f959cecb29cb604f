"""Deployments on a real server with PostgreSQL: one commit, declared once, changed in place, started by people and by events."""

import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from headrace.settings import ROOT, Settings
from operations import git, releases, services
from tests.conventions.repository import repository_files
from tests.operations.environment import environment, prefect_api, start_run, variables_of, wait_for_state
from tests.operations.repositories import PERSON, commit_file

# Of flights, which are no assistant.
FLOWS = sorted(path.stem.replace("_", "-") for path in (ROOT / "flows").glob("[a-z]*.py") if not path.stem.startswith("llm_"))
ENDED = ("Completed", "Blocked", "Failed", "Crashed")

REFUSED = [
    ("score", {"horizon": 3}, "'horizon' was unexpected"),
    ("score", {"as_of": "2013-02-30"}, "'as_of'"),
    ("score", {"as_of": "yesterday"}, "'as_of'"),
    ("score", {"use_case": "other"}, "'other' is not one of ['flight_delay']"),
    ("score", {"revision": 0}, "0 is less than the minimum of 1"),
    ("rollback", {"by": "", "reason": "late"}, "should be non-empty"),
    ("rollback", {"by": "ada"}, "'reason' is a required property"),
]
TAKEN = [{}, {"as_of": None, "revision": 2}, {"as_of": "2013-07-01T06:00:00.000Z"}]

# Far away, so that a schedule is there and starts nothing.
YEARLY = "0 0 1 1 *"


class Checkout:
    """A clone of this repository's files on `main`, and the verbs that a person types in it."""

    def __init__(self, folder: Path, settings: Settings, keys: Path) -> None:
        self.folder, self.settings, self.keys = folder, settings, keys
        for path in repository_files():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path)
        git.read(folder, "init", "--quiet", "--initial-branch", "main")
        git.read(folder, "add", "--all")
        git.read(folder, "commit", "--quiet", "--message", "Begin", variables=PERSON)

    def commit_name(self, name: str) -> str:
        """Commit a rollback flow whose runs have this name, with a record of passed checks."""
        text = (self.folder / "flows" / "rollback.py").read_text(encoding="utf-8")
        named, count = re.subn(r"@flow[(]flow_run_name=[^)]*[)]", f'@flow(flow_run_name="{name}")', text)
        assert count == 1
        commit = commit_file(self.folder, "flows/rollback.py", named)
        # What make ci types at its end; to run all tests here would be to run this one.
        report = self.keys.parent / "junit.xml"
        report.write_text('<testsuites><testsuite tests="3" failures="0" errors="0" skipped="1"/></testsuites>')
        assert "recorded that commit" in self.type("checks", "--junit", str(report), "--begun-at", commit, "--tests", "tests")
        return commit

    def slow_down_first_trigger(self) -> None:
        """Commit a cool-down of one second more for the first trigger of `prefect.yaml`."""
        text = (self.folder / "prefect.yaml").read_text(encoding="utf-8")
        commit_file(self.folder, "prefect.yaml", text.replace("within: 60", "within: 61", 1))

    def type(self, verb: str, *arguments: str) -> str:
        """Run a verb and return what it said; it has to end well."""
        done = subprocess.run(
            [sys.executable, "-m", *(["operations.checks"] if verb == "checks" else ["operations", verb]), *arguments],
            cwd=self.folder,
            env={**variables_of(self.settings), "HEADRACE_KEYS": str(self.keys), "PREFECT_API_URL": "http://127.0.0.1:9/api"},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Server:
    """What the environment's Prefect server has."""

    def __init__(self, api: httpx.Client) -> None:
        self.api = api
        self.sent: dict[str, datetime] = {}

    def deployments(self) -> dict[str, dict[str, Any]]:
        flows = {flow["id"]: flow["name"] for flow in self.api.post("/flows/filter", json={}).json()}
        return {flows[one["flow_id"]]: one for one in self.api.post("/deployments/filter", json={}).json()}

    def automations(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.api.post("/automations/filter", json={}).json()}

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Runs of a flow's deployment that no schedule made, oldest first."""
        where = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"deployment_id": {"is_null_": False}}, "sort": "EXPECTED_START_TIME_ASC"}
        return [run for run in self.api.post("/flow_runs/filter", json=where).json() if not run["auto_scheduled"]]

    def run_rollback(self, settings: Settings) -> str:
        """Start a rollback, which is blocked because nothing was promoted; the name that its code gave the run."""
        run = start_run(settings, self.deployments()["rollback"]["id"], by="ada", reason="late")
        wait_for_state(settings, run, ENDED)
        found = self.api.get(f"/flow_runs/{run}").json()
        assert found["state_name"] == "Blocked", found["state"]["message"]
        return found["name"]

    def emit(self, event: str, *, event_id: str | None = None) -> str:
        """Emit an event of ours as a flow would; returns its id."""
        event_id = event_id or str(uuid4())
        body = {
            "id": event_id,
            "event": event,
            "occurred": self.sent.setdefault(event_id, datetime.now(UTC)).isoformat(),
            "resource": {"prefect.resource.id": "headrace.staging.flight_delay", "prefect.resource.name": "staging.flight_delay"},
            "payload": {"use_case": "flight_delay", "subject": "1"},
        }
        self.api.post("/events", json=[body]).raise_for_status()
        return event_id

    def wait_for_runs(self, flow: str, *, count: int, seconds: float = 120) -> list[dict[str, Any]]:
        deadline = time.monotonic() + seconds
        while len(found := self.runs(flow)) < count and time.monotonic() < deadline:
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def staging():
    with environment("staging", schedules={"lifecycle": YEARLY, "promote": YEARLY, "retrain": None}) as settings:
        yield settings


@pytest.fixture(scope="module")
def checkout(staging, tmp_path_factory):
    made = Checkout(tmp_path_factory.mktemp("checkout"), staging, tmp_path_factory.mktemp("keys") / "headrace")
    # Installing the pinned packages takes minutes; those of this very process are pinned by the same file.
    place = releases.packages_folder(staging.home, made.folder)
    place.parent.mkdir(parents=True)
    place.symlink_to(sys.prefix)
    made.commit_name("first")
    return made


@pytest.fixture(scope="module")
def server(staging):
    with prefect_api(staging) as api:
        yield Server(api)


def test_deployments_from_the_first_day_to_the_last(staging, checkout, server):
    """One test, because each day begins where the one before ended, and an environment takes a minute to start."""
    said = checkout.type("deploy")
    assert "the model server was started from this commit" in said
    expect_every_flow_declared(staging, checkout, server)
    expect_nothing_changed_by_the_same_again(checkout, server)
    expect_forms_to_refuse_what_flows_do_not_take(server)
    expect_an_edit_to_change_nothing_until_deployed(staging, checkout, server)
    expect_nothing_left_that_could_start(staging, checkout, server)


def expect_every_flow_declared(staging, checkout, server):
    found = server.deployments()
    assert sorted(found) == FLOWS
    schedules = {flow: [one["schedule"]["cron"] for one in deployment["schedules"]] for flow, deployment in found.items()}
    assert {flow: crons for flow, crons in schedules.items() if crons} == {"lifecycle": [YEARLY], "promote": [YEARLY]}
    assert {one["work_pool_name"] for one in found.values()} == {"staging-pool"}
    assert {one["concurrency_options"]["collision_strategy"] for one in found.values()} == {"ENQUEUE"}
    assert {name for name in server.automations() if "->" in name} == {
        "staging: data landed -> ingest/flight_delay",
        "staging: drift or drop -> retrain/flight_delay",
        "staging: model registered -> promote/flight_delay",
    }
    release = services.read_release(staging)
    assert release is not None
    assert release["commit"] == git.read_commit(checkout.folder)
    # Nothing that the server stores is a credential: runs inherit theirs from the worker.
    stored = str([(one["job_variables"], one["pull_steps"], one["parameters"]) for one in found.values()])
    secrets = [path for path in (staging.environment_home / "secrets").iterdir() if path.is_file()]
    assert secrets
    assert [path.name for path in secrets if path.read_text().strip().rpartition(":")[2] in stored] == []


def expect_nothing_changed_by_the_same_again(checkout, server):
    """What a person has paused is paused afterwards too."""
    before = server.deployments()
    [schedule] = before["lifecycle"]["schedules"]
    server.api.patch(f"/deployments/{before['lifecycle']['id']}/schedules/{schedule['id']}", json={"active": False}).raise_for_status()
    server.api.post(f"/deployments/{before['score']['id']}/pause_deployment").raise_for_status()
    landed = server.automations()["staging: data landed -> ingest/flight_delay"]
    server.api.patch(f"/automations/{landed['id']}", json={"enabled": False}).raise_for_status()
    automations = server.automations()

    *left_out, said = checkout.type("diff").splitlines()
    assert said == "nothing would change"
    assert [line.partition(";")[0] for line in left_out] == ["left out, for it needs more packages: docs_assistant"]
    assert "nothing changed" in checkout.type("deploy")

    after = server.deployments()
    assert ids(after) == ids(before)
    assert [(one["id"], one["active"]) for one in after["lifecycle"]["schedules"]] == [(schedule["id"], False)]
    assert after["score"]["paused"]
    assert server.automations() == automations


def expect_forms_to_refuse_what_flows_do_not_take(server):
    deployments = server.deployments()
    for flow, parameters, said in REFUSED:
        answer = server.api.post(f"/deployments/{deployments[flow]['id']}/create_flow_run", json={"parameters": parameters})
        assert answer.status_code == 409, parameters
        assert said in answer.json()["detail"]
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    for parameters in TAKEN:
        body = {"parameters": parameters, "state": later}
        assert server.api.post(f"/deployments/{deployments['score']['id']}/create_flow_run", json=body).status_code == 201, parameters


def expect_an_edit_to_change_nothing_until_deployed(staging, checkout, server):
    """Meanwhile events start runs, once within a cool-down, before the deployment of another commit and after it."""
    first = server.deployments()
    sent = server.emit("headrace.model.registered")
    [promotion] = server.wait_for_runs("promote", count=1)
    server.emit("headrace.model.registered", event_id=sent)
    server.emit("headrace.model.registered")

    checkout.slow_down_first_trigger()
    newer = checkout.commit_name("second")
    (checkout.folder / "flows" / "rollback.py").write_text("raise SystemExit('edited')\n")
    assert server.run_rollback(staging) == "first"
    git.read(checkout.folder, "checkout", "--quiet", "flows/rollback.py")

    planned = checkout.type("diff")
    assert f"-> {newer[:12]}, 2 commits" in planned
    assert "changed  rollback/flight_delay: version, pull_steps" in planned
    assert "changed  ingest/flight_delay: version, pull_steps, triggers" in planned
    automations = server.automations()
    checkout.type("deploy")
    assert ids(server.deployments()) == ids(first)
    # The one trigger that was changed is the same automation, and still off; the others were not touched.
    changed = server.automations()
    assert ids(changed) == ids(automations)
    landed, was = (found.pop("staging: data landed -> ingest/flight_delay") for found in (changed, automations))
    assert (was["trigger"]["within"], landed["trigger"]["within"]) == (60, 61)
    assert not landed["enabled"]
    assert {name: row["updated"] for name, row in changed.items()} == {name: row["updated"] for name, row in automations.items()}

    server.emit("headrace.drift.detected")
    assert len(server.wait_for_runs("retrain", count=1)) == 1
    assert ids(server.wait_for_runs("promote", count=1)) == ids([promotion])
    assert wait_for_state(staging, promotion["id"], ENDED) == "Blocked"
    assert server.run_rollback(staging) == "second"
    measure(server, sent, promotion["id"])


def expect_nothing_left_that_could_start(staging, checkout, server):
    """Undeployed; the history of runs, and the pool, stay."""
    assert f"{len(FLOWS)} deployments were removed from staging" in checkout.type("undeploy", "--yes")
    assert server.deployments() == {}
    assert [name for name in server.automations() if "->" in name] == []
    assert services.read_release(staging) is None
    waiting = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    assert server.api.post("/flow_runs/filter", json=waiting).json() == []
    kept = server.api.post("/flow_runs/filter", json={"flows": {"name": {"any_": ["rollback"]}}}).json()
    assert sorted(one["name"] for one in kept) == ["first", "second"]
    assert server.api.get("/work_pools/staging-pool").status_code == 200


def ids(rows):
    return {name: row["id"] for name, row in rows.items()} if isinstance(rows, dict) else [row["id"] for row in rows]


def measure(server, event_id, run_id):
    """Say how long it took from an event to its run; a shared machine makes no bar of it."""
    run = server.api.get(f"/flow_runs/{run_id}").json()
    created, started = (datetime.fromisoformat(run[name]) for name in ("created", "start_time"))
    occurred = server.sent[event_id]
    print(f"event to run created {(created - occurred).total_seconds():.1f} s, to running {(started - occurred).total_seconds():.1f} s")
