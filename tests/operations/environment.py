"""An environment that is really up, for tests: PostgreSQL, Prefect server, MLflow server, worker, on free ports in a folder of its own.

One per module, because it takes 15 to 60 s to start:

    @pytest.fixture(scope="module")
    def staging():
        with environment("staging") as settings:
            yield settings

    def test_...(staging):
        with prefect_api(staging) as api:                       # httpx, logged in; paths are those of the API
            api.post("/flow_runs/filter", json={}).json()
        run_verb(staging, "-m", "flows", "train", "--use-case", "flight_delay")        # a person's verb, in a process of its own

`environment("dev")` is SQLite: a Prefect server and a worker, no MLflow server. What goes into `local.yaml` beside the ports is
given by name: `environment("staging", clock="replay", schedules={})`. A worker runs a flow of a file by
`deploy_file(settings, folder / "flows.py", "work")`, then `start_run(settings, deployment_id)`, `wait_for_state(...)`.
Tests that use it carry the mark `story`.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from headrace import servers
from headrace.settings import ROOT, Settings, load_settings
from operations import credentials, processes
from operations.down import stop_environment
from operations.services import work_pool
from operations.up import start_environment

PORTS = ("postgres_port", "prefect_port", "mlflow_port", "serving_port")

# Three heartbeats of a worker are 90 s; a machine with much else to do needs more than a quiet one.
PATIENCE_SECONDS = 240


@contextmanager
def new_home() -> Iterator[Path]:
    """A folder for state that PostgreSQL's user can enter, which pytest's own are not."""
    home = Path(tempfile.mkdtemp(prefix="headrace-up-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def configure(home: Path, name: str, **local: Any) -> Settings:
    """Settings of an environment below `home`, on free ports; `local` goes into its `local.yaml`."""
    folder = home / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "local.yaml").write_text(yaml.safe_dump(dict(zip(PORTS, free_ports(len(PORTS)), strict=True)) | local), encoding="utf-8")
    return load_settings(name, home=home, variables={})


@contextmanager
def environment(name: str = "staging", **local: Any) -> Iterator[Settings]:
    """Start an environment, hand out its settings, stop it and delete it."""
    with new_home() as home:
        settings = configure(home, name, **local)
        try:
            start_environment(settings)
            yield settings
        finally:
            try:
                stop_environment(settings)
            finally:
                processes.end_processes(processes.find_marked(settings), patience_seconds=5)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; held together while they are chosen, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def variables_of(settings: Settings) -> Mapping[str, str]:
    """The environment of a person's shell in which this one is the environment."""
    ours = ("HEADRACE_", "PREFECT_", "MLFLOW_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "HEADRACE_ENV": settings.environment,
        "HEADRACE_HOME": str(settings.home),
    }


def run_verb(settings: Settings, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in a process of its own, in the clone, and return what it said."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=variables_of(settings), capture_output=True, text=True, check=False, timeout=600, **options
    )


def prefect_api(settings: Settings) -> httpx.Client:
    """A client of the environment's Prefect API, logged in."""
    user, _, password = credentials.read(settings, servers.PREFECT_LOGIN).partition(":")
    return httpx.Client(base_url=f"http://127.0.0.1:{settings.prefect_port}/api", auth=(user, password), timeout=60)


def deploy_file(settings: Settings, path: Path, flow: str, **fields: Any) -> str:
    """Deploy the function `flow` of a file to the environment's pool; returns the deployment's id."""
    with prefect_api(settings) as api:
        flow_id = api.post("/flows/", json={"name": flow}).raise_for_status().json()["id"]
        body = {
            "name": path.stem,
            "flow_id": flow_id,
            "work_pool_name": work_pool(settings),
            "entrypoint": f"{path.name}:{flow}",
            "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(path.parent)}}],
        }
        return api.post("/deployments/", json=body | fields).raise_for_status().json()["id"]


def start_run(settings: Settings, deployment: str, **parameters: Any) -> str:
    """Ask for a run of a deployment now; returns the run's id."""
    with prefect_api(settings) as api:
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return api.post(f"/deployments/{deployment}/create_flow_run", json=body).raise_for_status().json()["id"]


def read_state(settings: Settings, run: str) -> str:
    """Name of a run's state: `Running`, `Completed`, `Crashed`."""
    with prefect_api(settings) as api:
        return api.get(f"/flow_runs/{run}").raise_for_status().json()["state_name"]


def wait_for_state(settings: Settings, run: str, wanted: Collection[str], *, seconds: float = PATIENCE_SECONDS) -> str:
    """Wait until a run is in one of these states, and return the one it is in then, wanted or not."""
    deadline = time.monotonic() + seconds
    while (state := read_state(settings, run)) not in wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    return state
