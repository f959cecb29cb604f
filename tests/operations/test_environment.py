"""Staging, really up on PostgreSQL: a flow run by its worker, logins, the registry behind its server, a drain, and nothing left."""

import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from headrace import servers
from headrace import use_case as use_cases
from headrace.errors import RegistryError, ServerError
from headrace.models.scorer import load_scorer
from headrace.registry import versions
from operations import accounts, credentials, postgres, processes, supervisor
from operations.down import stop_environment
from operations.services import WORKER, expected_services
from operations.status import read_rows
from operations.up import start_environment
from tests.operations import environment as env
from tests.registry.fixtures import SIGNATURE, candidate
from tests.serving.tiny import TINY

__all__ = ["candidate"]

pytestmark = pytest.mark.long

FLOWS = """
import time
from pathlib import Path

from prefect import flow


@flow
def work(seconds: float, mark: str) -> None:
    Path(mark).write_text("began")
    for _ in range(int(seconds / 0.1)):
        time.sleep(0.1)
    Path(mark).write_text("ended")
"""


@pytest.fixture(scope="module")
def staging():
    with env.environment("staging", clock="replay") as settings:
        yield settings


@pytest.fixture(scope="module")
def deployment(staging, tmp_path_factory):
    path = tmp_path_factory.mktemp("flows") / "flows.py"
    path.write_text(FLOWS)
    return env.deploy_file(staging, path, "work")


@pytest.fixture
def as_client(staging, monkeypatch):
    """This process, with the login that `process.prepare` gives to every process of the environment."""
    for name, value in servers.client_variables(staging).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    """Where runs say how far they are."""
    return tmp_path_factory.mktemp("marks")


def wait_until_it_works(mark):
    deadline = time.monotonic() + env.PATIENCE_SECONDS
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert mark.read_text() == "began"


def test_everything_is_up_and_says_so(staging):
    rows = {row.service.name: row for row in read_rows(staging)}
    assert {"postgres", "prefect-server", "mlflow-server", "worker"} <= set(rows)
    assert {name: row.health.note for name, row in rows.items() if not row.health.is_healthy} == {}
    assert {name for name, row in rows.items() if row.memory_mb < 5} == set()
    assert rows["prefect-server"].health.version.startswith("3.8")
    said = env.run_verb(staging, "-m", "operations", "status")
    assert said.returncode == 0
    assert [said.stdout.count(f"\n{name} ") for name in rows] == [1] * len(rows)


def test_a_second_up_starts_nothing(staging):
    before = {row.service.name: row.state.pid for row in read_rows(staging)}
    assert start_environment(staging) == []
    assert {row.service.name: row.state.pid for row in read_rows(staging)} == before


def test_no_command_line_and_no_configuration_holds_a_secret(staging):
    folder = staging.environment_home / "secrets"
    secrets = [line.rpartition(":")[2] for path in folder.iterdir() for line in path.read_text().split() if len(line) > 30]
    assert len(secrets) >= 8
    texts = [(staging.environment_home / "run" / "keeper.conf").read_text()]
    texts += [path.read_text(errors="replace") for path in (staging.environment_home / "log").iterdir()]
    for pid in processes.find_marked(staging):
        texts.append(Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"))
    assert len(texts) > 8
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []


def test_nobody_reads_runs_or_versions_without_a_login(staging):
    prefect, mlflow = f"http://127.0.0.1:{staging.prefect_port}/api", f"http://127.0.0.1:{staging.mlflow_port}/api/2.0/mlflow"
    assert httpx.post(f"{prefect}/flow_runs/filter", json={}).status_code == 401
    assert httpx.post(f"{prefect}/flow_runs/filter", json={}, auth=("admin", "guess")).status_code == 401
    assert httpx.get(f"{mlflow}/registered-models/search").status_code == 401
    assert httpx.get(f"{mlflow}/registered-models/search", auth=("headrace", "guess")).status_code == 401
    # Nobody gets into the databases either, not even from this machine.
    with pytest.raises(ServerError, match="password authentication failed"):
        postgres.read_server_version(staging.model_copy(update={"database_uri": f"postgresql://headrace:guess@127.0.0.1:{staging.postgres_port}"}))


def test_each_server_has_its_own_database_and_no_other(staging):
    uri = postgres.database_uri(staging, postgres.MLFLOW)
    other = uri.rsplit("/", 1)[0] + "/" + postgres.database_name(staging, postgres.PREFECT)
    assert postgres.read_server_version(staging.model_copy(update={"database_uri": uri}))
    with pytest.raises(ServerError, match="permission denied for database"):
        postgres.read_server_version(staging.model_copy(update={"database_uri": other}))


def test_an_external_database_gets_what_is_missing(staging):
    other = staging.model_copy(update={"environment": "elsewhere", "database_uri": postgres.admin_uri(staging)})
    assert postgres.ensure_databases(other) == ["elsewhere_prefect", "elsewhere_mlflow", "elsewhere_mlflow_auth"]
    assert postgres.ensure_databases(other) == []
    assert "postgres" not in {service.name for service in expected_services(other)}


def test_versions_and_their_files_go_through_the_server(staging, as_client, candidate):
    case = TINY
    # After `make up`, every use case has its registered model, and MLflow says that it has no champion instead of "denied".
    assert versions.read_alias(staging, use_cases.load("flight_delay"), alias=versions.CHAMPION) is None
    version = versions.register(
        staging, case, candidate, model_id="m1", signature=SIGNATURE, params={}, metrics={}, tags={"as_of": "2013-04-01"}, tables={}, requirements=[]
    )
    versions.set_alias(staging, case, alias=versions.CHAMPION, number=version.number)
    found = versions.read_alias(staging, case, alias=versions.CHAMPION)
    assert found is not None
    assert versions.find(staging, case, model_id="m1") == found
    assert versions.read_alias(staging, case, alias=versions.CHALLENGER) is None
    folder = versions.candidate_folder(staging, found)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {path.name: path.read_bytes() for path in candidate.iterdir()}
    assert load_scorer(folder)
    assert versions.read_signature(staging, found) == ["hour"]
    # Fetched once, and nothing half-fetched lies about.
    assert versions.candidate_folder(staging, found) == folder
    assert len(list((staging.environment_home / "run" / "models").iterdir())) == 1
    assert [path.name for path in (staging.environment_home / "registry" / "artifacts").rglob("card.md")]


def test_a_reader_of_the_registry_cannot_move_an_alias(staging, as_client, monkeypatch):
    admin = (accounts.ADMIN, credentials.read(staging, credentials.MLFLOW_ADMIN_PASSWORD))
    address = f"http://127.0.0.1:{staging.mlflow_port}/api/2.0/mlflow/users/create"
    body = {"username": "reader", "password": "a-reader-s-own-word"}
    assert httpx.post(address, json=body, auth=admin, timeout=60).is_success
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", body["username"])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", body["password"])
    before = versions.read_alias(staging, TINY, alias=versions.CHAMPION)
    assert before is not None
    with pytest.raises(RegistryError, match="PERMISSION_DENIED"):
        versions.set_alias(staging, TINY, alias=versions.CHAMPION, number=None)
    assert versions.read_alias(staging, TINY, alias=versions.CHAMPION) == before


def test_what_dies_is_started_again(staging):
    pid = supervisor.read_states(staging)[WORKER.name].pid
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + env.PATIENCE_SECONDS
    while (found := next(row for row in read_rows(staging) if row.service == WORKER)).state.pid == pid or not found.health.is_healthy:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert found.state.pid not in (0, pid)


def test_a_stopped_worker_lets_its_flow_finish_and_takes_no_other(staging, deployment, marks):
    run = env.start_run(staging, deployment, seconds=6, mark=str(marks / "first"))
    wait_until_it_works(marks / "first")
    supervisor.stop(staging, WORKER.name, waits=False)
    while supervisor.read_states(staging)[WORKER.name].status != "STOPPING":
        time.sleep(0.05)
    late = env.start_run(staging, deployment, seconds=6, mark=str(marks / "second"))
    while supervisor.read_states(staging)[WORKER.name].status == "STOPPING":
        time.sleep(0.2)
    assert (marks / "first").read_text() == "ended"
    assert env.read_state(staging, run) == "Completed"
    assert env.read_state(staging, late) in ("Scheduled", "Late")


def test_down_drains_and_leaves_nothing(staging, marks, capsys):
    # The next worker takes what waited.
    assert start_environment(staging) == [WORKER.name]
    wait_until_it_works(marks / "second")
    stop_environment(staging)
    assert (marks / "second").read_text() == "ended"
    assert "lets 1 flow runs finish" in capsys.readouterr().out
    assert processes.find_marked(staging) == []
    assert not servers.is_up(staging)
    assert servers.client_variables(staging) == {}
    for port in filter(None, (service.port(staging) for service in expected_services(staging))):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port))
    said = env.run_verb(staging, "-m", "operations", "down")
    assert (said.returncode, said.stdout) == (0, "staging is not up; nothing to do\n")
