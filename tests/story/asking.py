"""A dev where a person is asked, with servers and a deployed `promote`: what the story and the drills of approvals stand on."""

import os
import shutil
import signal
import time

import httpx
import pytest

from headrace.registry import approvals, versions
from headrace.settings import ROOT
from operations import supervisor
from tests.operations.environment import PATIENCE_SECONDS, deploy_file, environment, prefect_api, run_verb
from tests.small_flights import small_flights
from tests.story.conftest import Bench

# Where a run of these tests comes to rest.
RESTS = ("Suspended", "Completed", "Blocked", "Failed", "Crashed")


@pytest.fixture(scope="module")
def dev(trained_home):
    """dev as it is where a person is asked: servers up, one candidate trained, on a wall clock."""
    with environment("dev", approval="required", clock="wall", subset=True, threads=1, notify_uri=None) as settings:
        for folder in ("lake", "run"):
            shutil.copytree(trained_home / "dev" / folder, settings.environment_home / folder, dirs_exist_ok=True)
        (folder,) = (settings.environment_home / "run").glob(f"*/{versions.CANDIDATE_FOLDER}")
        yield Bench(settings=settings, case=small_flights(), folder=folder)


@pytest.fixture(scope="module")
def deployment(dev):
    """`promote` deployed from this checkout."""
    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}]
    fields = {"name": "flight_delay", "entrypoint": "flows/promote.py:promote", "pull_steps": pull, "parameters": {"use_case": "flight_delay"}}
    return deploy_file(dev.settings, ROOT / "flows" / "promote.py", "promote", **fields)


def read_run(bench, run):
    with prefect_api(bench.settings) as api:
        return api.get(f"/flow_runs/{run}").raise_for_status().json()


def resume(bench, run, **values):
    """What the form's button sends; the server says no with HTTP 200."""
    with prefect_api(bench.settings) as api:
        return api.post(f"/flow_runs/{run}/resume", json={"run_input": values}).raise_for_status().json()["status"]


def kill(bench, *services):
    """`kill -9`; the keeper starts them again, and this returns when others answer in their place."""
    before = {service: supervisor.read_states(bench.settings)[service].pid for service in services}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        now = supervisor.read_states(bench.settings)
        if all(now[service].pid not in (0, pid) for service, pid in before.items()) and answers(bench):
            return
        time.sleep(0.5)
    raise AssertionError(f"{', '.join(services)} did not come back")


def answer(bench, verb, version, *, by="ada", reason="good"):
    """What `make approve` or `make reject` says."""
    arguments = ["--use-case", bench.case.name, "--version", str(version.number), "--by", by, "--reason", reason]
    request = approvals.read_request(bench.settings, bench.case, version=version)
    arguments += ["--evidence", request.evidence_hash] if request else []
    said = run_verb(bench.settings, "-m", "flows", verb, *arguments)
    return said.stdout + said.stderr


def answers(bench):
    try:
        with prefect_api(bench.settings) as api:
            return api.get("/health").status_code == 200
    except httpx.TransportError:
        return False
