"""What the story asks of a Prefect server: start a run as the Run button does, wait for it, fill its form, kill what works on it."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from benchmarks.story.place import StoryError
from headrace import servers
from headrace.settings import Settings

USE_CASE = "flight_delay"
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_POLL_SECONDS = 0.5


class BusyError(StoryError):
    """The server could not answer, which says nothing about what was asked."""


@dataclass(frozen=True)
class Run:
    """A flow run, as the server tells it.

    Attributes:
        id: Its id.
        name: Its name.
        state: Name of its state, for example `Completed`, `Suspended`, `Blocked`.
        kind: Type of its state, for example `COMPLETED`, `PAUSED`, `FAILED`.
        is_scheduled: Whether a schedule created it.
        created_at: When the server recorded it (UTC).
        due_at: When it was to begin (UTC).
        started_at: When it began to run (UTC); None before.
        ended_at: When it ended (UTC); None before.
        count: How often it was started.
        parameters: What it was called with.
        message: What its state says.
    """

    id: str
    name: str
    state: str
    kind: str
    is_scheduled: bool
    created_at: datetime
    due_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    count: int
    parameters: Mapping[str, Any]
    message: str


class Server:
    """The Prefect server of one environment, spoken to as its pages do about one use case."""

    def __init__(self, settings: Settings, use_case: str = USE_CASE) -> None:
        """Read address and login; nothing is asked before the first call."""
        self._use_case = use_case
        variables = servers.client_variables(settings)
        if not variables:
            raise StoryError(f"the servers of {settings.environment} are not up")
        user, _, password = variables["PREFECT_API_AUTH_STRING"].partition(":")
        self._client = httpx.Client(base_url=variables["PREFECT_API_URL"] + "/", auth=(user, password), timeout=120)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Ask; a refusal is an error with what the server said."""
        return self._read(self._client.post(path, json=dict(body)))

    def get(self, path: str) -> Any:
        """Read."""
        return self._read(self._client.get(path))

    def deployment(self, flow: str) -> dict[str, Any]:
        """The deployment of a flow."""
        return self.get(f"deployments/name/{flow}/{self._use_case}")

    def start(self, flow: str, **parameters: Any) -> Run:
        """What the Run button does."""
        created = self.post(f"deployments/{self.deployment(flow)['id']}/create_flow_run", {"parameters": parameters} if parameters else {})
        return _read_run(created)

    def pause_schedules(self, flow: str) -> None:
        """What the switch beside a schedule does; runs that were planned are taken back."""
        deployment = self.deployment(flow)
        for schedule in deployment["schedules"]:
            response = self._client.patch(f"deployments/{deployment['id']}/schedules/{schedule['id']}", json={"active": False})
            response.raise_for_status()

    def find(self, flow: str, *, states: tuple[str, ...] | None = None) -> list[Run]:
        """Runs of a flow's deployment, oldest first; `states` are state types."""
        query: dict[str, Any] = {"deployments": {"id": {"any_": [self.deployment(flow)["id"]]}}, "sort": "START_TIME_ASC"}
        query |= {"flow_runs": {"state": {"type": {"any_": list(states)}}}} if states else {}
        return sorted((_read_run(row) for row in self.post("flow_runs/filter", query)), key=lambda run: run.created_at)

    def read(self, run: Run) -> Run:
        """A run as it is now."""
        return _read_run(self.get(f"flow_runs/{run.id}"))

    def wait(self, what: str, look: Callable[[], Run | None], *, seconds: float) -> Run:
        """Look until something is there; a server that has too much else to do to answer is asked again."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError, BusyError):
                found = look()
                if found is not None:
                    return found
            time.sleep(_POLL_SECONDS)
        raise StoryError(f"{what} did not come within {seconds:.0f} s")

    def wait_for_end(self, run: Run, *, seconds: float = 600, expect: str = "Completed") -> Run:
        """Wait until a run has ended, or waits for a person; its state must be the expected one."""

        def look() -> Run | None:
            now = self.read(run)
            return now if now.kind in _ENDED or now.state == expect else None

        ended = self.wait(f"the end of {run.name}", look, seconds=seconds)
        if ended.state != expect:
            raise StoryError(f"{ended.name} ended {ended.state}, expected {expect}: {ended.message}")
        return ended

    def fill_form(self, run: Run, **answer: str) -> None:
        """What the form of a suspended run does."""
        reply = self.post(f"flow_runs/{run.id}/resume", {"run_input": answer})
        # A refused answer comes with status 200.
        if reply["status"] != "ACCEPT":
            raise StoryError(f"the form of {run.name} was refused: {json.dumps(reply)[:500]}")

    def _read(self, response: httpx.Response) -> Any:
        if response.is_server_error:
            raise BusyError(f"{response.request.method} {response.request.url.path} answered {response.status_code}: {response.text[:500]}")
        if response.is_error:
            raise StoryError(f"{response.request.method} {response.request.url.path} answered {response.status_code}: {response.text[:500]}")
        return response.json()


def _read_run(row: Mapping[str, Any]) -> Run:
    state = row.get("state") or {}
    return Run(
        id=row["id"],
        name=row["name"],
        state=row.get("state_name") or "",
        kind=row.get("state_type") or "",
        is_scheduled=bool(row.get("auto_scheduled")),
        created_at=_instant(row["created"]),
        due_at=_instant(row["expected_start_time"]),
        started_at=_instant(row["start_time"]) if row.get("start_time") else None,
        ended_at=_instant(row["end_time"]) if row.get("end_time") else None,
        count=int(row.get("run_count") or 0),
        parameters=row.get("parameters") or {},
        message=str(state.get("message") or ""),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
