"""The installed packages work together. `pip check` is content with sets that do not, so what breaks is tried here:

- SQLAlchemy 2.1: Prefect's schedules create no run, and nothing says so.
- FastAPI 0.151 to 0.154: most of Prefect's client calls are answered with 422; from 0.155 its server does not start.
- pandas 3.1: Evidently does not import.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pandas as pd
import pytest
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import IntervalSchedule

# On a machine with other work the server took up to 20 s to start, and its scheduler looks once a minute.
START_SECONDS, SCHEDULE_SECONDS = 180, 75


@pytest.fixture(scope="module")
def prefect_client(tmp_path_factory) -> Iterator[SyncPrefectClient]:
    """A client of a server of its own: another process, SQLite, a free port."""
    home = tmp_path_factory.mktemp("prefect")
    port = _find_free_port()
    variables = {**os.environ, "PREFECT_HOME": str(home), "PREFECT_SERVER_API_HOST": "127.0.0.1", "PREFECT_SERVER_API_PORT": str(port)}
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "prefect", "server", "start"], env=variables, stdout=log, stderr=log)
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/api/health", server, home / "server.log")
            with SyncPrefectClient(f"http://127.0.0.1:{port}/api") as client:
                yield client
        finally:
            server.terminate()
            server.wait(timeout=30)


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_ready(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(START_SECONDS * 4):
        assert server.poll() is None, f"the server ended: {log.read_text()}"
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.25)
    raise AssertionError(f"no server after {START_SECONDS} s: {log.read_text()}")


@pytest.mark.long
def test_a_schedule_creates_a_run(prefect_client):
    schedule = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(minutes=10)), active=True)
    flow_id = prefect_client.create_flow_from_name("scheduled")
    prefect_client.create_deployment(flow_id, name="scheduled", schedules=[schedule], entrypoint="flows/ingest.py:ingest")
    is_scheduled = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    deadline = time.monotonic() + SCHEDULE_SECONDS
    while not (runs := prefect_client.read_flow_runs(flow_run_filter=is_scheduled)):
        assert time.monotonic() < deadline, f"no run after {SCHEDULE_SECONDS} s; is SQLAlchemy below 2.1?"
        time.sleep(0.5)
    assert {run.flow_id for run in runs} == {flow_id}


@pytest.mark.long
@pytest.mark.parametrize("kind", ["flows", "flow_runs", "deployments", "work_pools", "artifacts", "task_runs"])
def test_the_client_can_list(prefect_client, kind):
    read = getattr(prefect_client, f"read_{kind}", None)
    if read is None:
        # What this client has no call for is asked for with explicit nulls, as others do and FastAPI 0.151 refuses.
        found = prefect_client.request("POST", f"/{kind}/filter", json={kind: None, "limit": 5}).raise_for_status().json()
    else:
        found = read()
    assert isinstance(found, list)


def test_evidently_computes_a_drift():
    reference, current = pd.DataFrame({"price": [1.0, 2.0, 3.0, 4.0] * 50}), pd.DataFrame({"price": [4.0, 5.0, 6.0, 7.0] * 50})
    definition = DataDefinition(numerical_columns=["price"])
    report = Report([ValueDrift(column="price", method="psi")])
    datasets = (Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference))
    found = report.run(*datasets).dict()
    assert found["metrics"][0]["value"] > 1


def test_pip_finds_no_broken_requirement():
    finished = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stdout
