"""A Prefect server that is really up, alone: the one of dev (SQLite, a login), started as `make up` starts it, without a worker.

For what a worker, an engine, a schedule or a person tells the server, and what the watcher makes of it:

    with prefect_server(folder) as settings, Server(settings) as server:
        run = server.start("RUNNING")                           # as its worker and its engine would bring it there
        resume_lost_runs(server.orchestrator, sight, now=...)
        assert server.read_types(run) == [...]

The server stamps every state itself, so nothing here is older than it is; a test that needs an old one looks later.
"""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx

from headrace import servers
from headrace.settings import ROOT, Settings
from operations.lost_runs import HEARTBEAT
from operations.orchestrator import Orchestrator, Row, any_of
from tests.operations import environment as env

# Its schedules would add runs that no test has made. What is slow by default, storing events and calling runs late, is done each second.
QUICK = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
}

# The way to each type of state, from Scheduled on, of a run that a worker takes up.
_ENDS = ("CANCELLING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED")
WAYS: Mapping[str, Sequence[str]] = {
    "SCHEDULED": [],
    "PENDING": ["PENDING"],
    "RUNNING": ["PENDING", "RUNNING"],
    **{kind: ["PENDING", "RUNNING", kind] for kind in _ENDS},
}


@contextmanager
def prefect_server(home: Path) -> Iterator[Settings]:
    """Start the server, hand out the settings by which it is reached, and end it."""
    settings = env.configure(home, "dev")
    record = servers.record_path(settings)
    record.parent.mkdir(parents=True)
    with (home / "server.log").open("w") as log:
        command = [sys.executable, "-m", "operations.launch", "prefect-server"]
        process = subprocess.Popen(command, cwd=ROOT, env={**env.variables_of(settings), **QUICK}, stdout=log, stderr=log)
        try:
            wait_until(lambda: is_ready(settings, process, home / "server.log"), seconds=env.PATIENCE_SECONDS)
            record.write_text(f'{{"pid": {process.pid}}}')
            yield settings
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def is_ready(settings: Settings, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Whether the server answers; one that ended is an error."""
    assert process.poll() is None, f"the server ended: {log.read_text()}"
    try:
        return httpx.get(f"http://{servers.HOST}:{settings.prefect_port}/api/health", timeout=5).is_success
    except httpx.TransportError:
        return False


def wait_until(happened: Callable[[], Any], *, seconds: float = 60) -> None:
    """Ask again and again; the server stores events some time after it took them."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.1)


class Server:
    """The server as its other clients see it; `orchestrator` is how the watcher sees it."""

    def __init__(self, settings: Settings) -> None:
        self._open = ExitStack()
        self.api = self._open.enter_context(env.prefect_api(settings))
        self.orchestrator = self._open.enter_context(Orchestrator(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One call, again where SQLite was busy: the server then says 503, and Prefect's own clients ask again too."""
        deadline = time.monotonic() + 60
        while (answer := self.api.request(method, path, json=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            assert time.monotonic() < deadline, f"{method} {path}: {answer.text}"
            time.sleep(0.1)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deploy(self, name: str = "lifecycle", **fields: Any) -> str:
        """A deployment of a flow of that name; the same one when it is there."""
        flow = self.call("POST", "/flows/", {"name": name})["id"]
        return self.call("POST", "/deployments/", {"name": name, "flow_id": flow, **fields})["id"]

    def start(self, kind: str, *, deployment: str | None = None, at: datetime | None = None) -> str:
        """A run that a person or an event asked for, for an instant or at once, and that has come to a state of this type."""
        asked = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat() if at else None}}
        run = self.call("POST", f"/deployments/{deployment or self.deploy()}/create_flow_run", {"state": asked})["id"]
        self.move(run, *WAYS[kind])
        return run

    def start_by_hand(self, *, parent_task: str | None = None) -> str:
        """A run without a deployment, Running: a verb that a person typed, or a subflow."""
        flow = self.call("POST", "/flows/", {"name": "typed"})["id"]
        run = self.call("POST", "/flow_runs/", {"flow_id": flow, "parent_task_run_id": parent_task, "state": {"type": "PENDING"}})["id"]
        self.move(run, "RUNNING")
        return run

    def start_task(self, run: str, kind: str) -> str:
        """A task run of a run, in a state of this type."""
        body = {"flow_run_id": run, "task_key": "step", "dynamic_key": str(uuid.uuid4()), "state": {"type": kind}}
        return self.call("POST", "/task_runs/", body)["id"]

    def miss(self, deployment: str, *, hours: int) -> list[str]:
        """What an hourly schedule asked for in the last hours while no worker was there, oldest first; the server calls it late by now."""
        now = datetime.now(UTC)
        hourly = {"schedule": {"interval": 3600, "anchor_date": (now - timedelta(minutes=30)).isoformat()}, "active": True}
        self.call("POST", f"/deployments/{deployment}/schedules", [hourly])
        window = {"start_time": (now - timedelta(hours=hours)).isoformat(), "end_time": now.isoformat()}
        self.call("POST", f"/deployments/{deployment}/schedule", window)
        late = {"deployment_id": any_of([deployment]), "state": {"name": any_of(["Late"])}}
        wait_until(lambda: len(self.orchestrator.read_runs(late)) == hours)
        return [run["id"] for run in self.orchestrator.read_runs(late)]

    def move(self, run: str, *kinds: str, **fields: Any) -> None:
        """Bring a run from state to state, by the server's rules; what they refuse is an error."""
        for kind in kinds:
            details = {"state_details": {"pause_reschedule": True}} if kind == "PAUSED" else {}
            answer = self.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": kind, **details, **fields}})
            assert answer["status"] == "ACCEPT", answer

    def beat(self, run: str) -> datetime:
        """A heartbeat of the run's process; returns the instant (UTC) at which it was sent, once it is stored."""
        sent = datetime.now(UTC)
        resource = f"prefect.flow-run.{run}"
        beat = {"event": HEARTBEAT, "occurred": sent.isoformat(), "resource": {"prefect.resource.id": resource}}
        self.call("POST", "/events", [beat | {"id": str(uuid.uuid4())}])
        wait_until(lambda: self.orchestrator.read_last_event(HEARTBEAT, resource=resource, since=sent) == sent)
        return sent

    def take_slot(self, deployment: str) -> None:
        """Count one more slot of a deployment's limit, without a lease: what is left of a run whose lease the server forgot."""
        self.call("POST", "/v2/concurrency_limits/increment", {"names": [f"deployment:{deployment}"], "slots": 1})

    def give_slot(self, deployment: str) -> None:
        self.call("POST", "/v2/concurrency_limits/decrement", {"names": [f"deployment:{deployment}"], "slots": 1})

    def count_slots(self, deployment: str) -> int:
        """How many slots of a deployment's limit are taken, as the server counts."""
        return self.call("GET", f"/deployments/{deployment}")["global_concurrency_limit"]["active_slots"]

    def read_state(self, run: str) -> Row:
        """The state that a run is in."""
        return self.orchestrator.read_run(run)["state"]

    def read_types(self, run: str) -> list[str]:
        """Types of the states that a run has been in, oldest first."""
        return [state["type"] for state in self.orchestrator.read_states(run)]

    def read_task_type(self, task: str) -> str:
        return self.call("GET", f"/task_runs/{task}")["state_type"]

    def read_events(self, event: str) -> list[Row]:
        """Events of a name, newest first."""
        return self.call("POST", "/events/filter", {"filter": {"event": {"name": [event]}}, "limit": 50})["events"]

    def forget(self) -> None:
        """Delete all runs and deployments, because the watcher looks at every one."""
        while self.call("POST", "/flow_runs/bulk_delete", {})["deleted"]:
            pass
        for deployment in self.orchestrator.read_deployments():
            self.call("DELETE", f"/deployments/{deployment['id']}")
