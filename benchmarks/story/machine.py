"""The machine behind the story: processes that are killed or must be gone, registries and folders that are looked at."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.story.place import ENVIRONMENTS, Place, StoryError
from benchmarks.story.runs import Run, Server
from headrace import servers
from headrace.settings import Settings
from operations import processes, supervisor
from operations.services import read_release as read_release_of
from operations.services import release_path as release_path_of

USE_CASE = "flight_delay"
_LOG_LINES = 15


def release_path(place: Place, environment: str) -> Path:
    """The file that names what is deployed."""
    return release_path_of(place.settings(environment))


def read_release(place: Place, environment: str) -> Mapping[str, Any]:
    """What is deployed."""
    found = read_release_of(place.settings(environment))
    if found is None:
        raise StoryError(f"nothing is deployed to {environment}")
    return found


def measure_memory(settings: Settings) -> float:
    """Resident memory of all servers of an environment, the keeper's included (MB); what they share counts in each."""
    keeper = supervisor.find_keeper(settings)
    if keeper is None:
        raise StoryError(f"{settings.environment} is not up")
    return processes.read_memory_mb(keeper)


def measure_overhead(place: Place, environment: str) -> Mapping[str, float]:
    """What one task and one subflow cost against an environment's server (s), by a process of its own, as a person's verb would be."""
    variables = place.variables() | {"HEADRACE_ENV": environment}
    command = [sys.executable, "-m", "benchmarks.story.overhead"]
    done = subprocess.run(command, cwd=place.clone, env=variables, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise StoryError(f"the overhead could not be measured: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def list_deployments(server: Server) -> list[tuple[str, int, int]]:
    """Deployments by id with the number of their schedules, then automations by name: what a second deployment must not multiply."""
    deployments = server.post("deployments/filter", {})
    automations = server.post("automations/filter", {})
    names = sorted(automation["name"] for automation in automations)
    return sorted((row["id"], len(row["schedules"]), 0) for row in deployments) + [(name, 0, names.count(name)) for name in names]


def list_stuck(server: Server) -> list[str]:
    """Runs that are said to run though nobody works on them, and slots that are held though nothing runs."""
    running = server.post("flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}})
    limits = server.post("v2/concurrency_limits/filter", {})
    held = [f"{limit['name']} holds {limit['active_slots']} slots" for limit in limits if limit["active_slots"]]
    return [f"{row['name']} is {row['state_name']}" for row in running] + held


def kill(settings: Settings, service: str) -> None:
    """SIGKILL to one server and to nothing that it started."""
    state = supervisor.read_states(settings)[service]
    if not state.pid:
        raise StoryError(f"{service} does not run, so it cannot be killed")
    os.kill(state.pid, signal.SIGKILL)


def kill_flow(run: Run) -> None:
    """SIGKILL to the process that works on a run."""
    mark = f"PREFECT__FLOW_RUN_ID={run.id}".encode()
    found = [pid for pid, variables in _read_environments() if mark in variables]
    if not found:
        raise StoryError(f"no process works on {run.name}")
    for pid in found:
        processes.send(pid, signal.SIGKILL)


def wait_through_outage(server: Server, run: Run, *, seconds: float) -> Run:
    """Wait for the end of a run whose server may be away meanwhile."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = server.read(run)
        except httpx.TransportError:
            time.sleep(1)
            continue
        if found.kind == "COMPLETED":
            return found
        if found.kind in ("FAILED", "CANCELLED"):
            raise StoryError(f"{found.name} ended {found.state}: {found.message}")
        time.sleep(1)
    raise StoryError(f"{run.name} was not done after {seconds:.0f} s; it is {found.state}")


def wait_until_settled(server: Server, run: Run, *, seconds: float = 600) -> Run:
    """Wait until a run has ended in whatever way, or waits for a person."""

    def look() -> Run | None:
        now = server.read(run)
        return now if now.kind in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED") else None

    return server.wait(f"an end of {run.name}", look, seconds=seconds)


def wait_until_judged(server: Server, run: Run, *, seconds: float = 600) -> Run:
    """Wait until a run that waited for a person has gone on and ended."""

    def look() -> Run | None:
        now = server.read(run)
        return now if now.kind in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    return server.wait(f"the verdict of {run.name}", look, seconds=seconds)


def read_alias(settings: Settings, alias: str, *, use_case: str = USE_CASE) -> int | None:
    """The version that an alias of the registry points at, asked of the server itself."""
    found = _ask_registry(settings, "registered-models/get", name=f"{settings.environment}.{use_case}")
    aliases = {row["alias"]: int(row["version"]) for row in found.get("registered_model", {}).get("aliases", [])}
    return aliases.get(alias)


def read_tag(settings: Settings, version: int, tag: str) -> str | None:
    """A tag of a version, asked of the server itself."""
    found = _ask_registry(settings, "model-versions/get", name=_model(settings), version=str(version))
    return {row["key"]: row["value"] for row in found["model_version"].get("tags", [])}.get(tag)


def read_versions(settings: Settings) -> list[dict[str, Any]]:
    """Every version with its tags, and every alias."""
    model = _ask_registry(settings, "registered-models/get", name=_model(settings))["registered_model"]
    found = _ask_registry(settings, "model-versions/search", filter=f"name='{_model(settings)}'")["model_versions"]
    rows = [{"version": row["version"], "tags": sorted((tag["key"], tag["value"]) for tag in row.get("tags", []))} for row in found]
    return [*sorted(rows, key=lambda row: str(row["version"])), {"aliases": sorted((a["alias"], a["version"]) for a in model.get("aliases", []))}]


def list_processes(home: Path) -> list[int]:
    """Processes whose state lies in a home, without this one."""
    mark = f"HEADRACE_HOME={home}".encode()
    return [pid for pid, variables in _read_environments() if mark in variables and pid != os.getpid()]


def end_processes(home: Path) -> None:
    """Kill what a story that failed has left."""
    processes.end_processes(list_processes(home), patience_seconds=5)


def read_logs(place: Place) -> str:
    """The last lines of every server's log, for a person who reads why a story failed."""
    paths = [path for environment in ENVIRONMENTS for path in sorted((place.home / environment / "log").glob("*.log"))]
    tails = ["\n".join([f"--- {path.relative_to(place.home)}", *path.read_text(errors="replace").splitlines()[-_LOG_LINES:]]) for path in paths]
    return "\n".join(tails)


def _model(settings: Settings) -> str:
    return f"{settings.environment}.{USE_CASE}"


def _ask_registry(settings: Settings, path: str, **query: str) -> dict[str, Any]:
    variables = servers.client_variables(settings)
    login = (variables["MLFLOW_TRACKING_USERNAME"], variables["MLFLOW_TRACKING_PASSWORD"])
    response = httpx.get(f"{settings.registry_uri}/api/2.0/mlflow/{path}", params=query, auth=login, timeout=30)
    if response.status_code == httpx.codes.NOT_FOUND:
        return {}
    if response.is_error:
        raise StoryError(f"the registry answered {response.status_code} to {path}: {response.text[:300]}")
    return json.loads(response.text)


def _read_environments() -> list[tuple[int, list[bytes]]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append((int(folder.name), (folder / "environ").read_bytes().split(b"\0")))
        except OSError:
            # It ended while we looked, or is another user's.
            continue
    return found
