"""Calls on the REST interface of an environment's Prefect server: what the watcher reads there and what it changes.

The plain interface instead of Prefect's own client, whose import alone takes 2.3 s and 86 MB: the watcher runs all day beside
everything else on a small machine.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

from headrace import servers
from headrace.errors import ServerError
from headrace.settings import Settings

# Rows of one answer; the server gives no more than that at once.
PAGE = 200

Row = Mapping[str, Any]


class Orchestrator:
    """One Prefect server, as the watcher sees it. Rows come back as the server writes them: names, ids, instants as ISO texts."""

    def __init__(self, settings: Settings) -> None:
        variables = servers.client_variables(settings)
        if not variables:
            raise ServerError(f"the servers of {settings.environment} are not up; run make up ENV={settings.environment}")
        user, _, password = variables["PREFECT_API_AUTH_STRING"].partition(":")
        self._client = httpx.Client(base_url=variables["PREFECT_API_URL"], auth=(user, password), timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def read_runs(self, where: Mapping[str, Any]) -> list[Row]:
        """Flow runs that a filter of Prefect's names, oldest first."""
        return self._read_all("/flow_runs/filter", {"flow_runs": where, "sort": "EXPECTED_START_TIME_ASC"})

    def read_run(self, run_id: str) -> Row:
        """One flow run as it is now."""
        return self._call("GET", f"/flow_runs/{run_id}")

    def read_task_runs(self, where: Mapping[str, Any]) -> list[Row]:
        """Task runs that a filter of Prefect's names (keys `task_runs` and `flow_runs`)."""
        return self._read_all("/task_runs/filter", where)

    def read_states(self, run_id: str) -> list[Row]:
        """Every state that a flow run has been in, oldest first."""
        return sorted(self._call("GET", "/flow_run_states/", params={"flow_run_id": run_id}), key=lambda state: state["timestamp"])

    def read_deployments(self) -> list[Row]:
        """Every deployment of the environment."""
        return self._read_all("/deployments/filter", {})

    def read_last_event(self, event: str, *, resource: str, since: datetime) -> datetime | None:
        """Instant (UTC) of the newest event of a name about a resource since an instant; None when there is none."""
        chosen = {"event": {"name": [event]}, "resource": {"id": [resource]}, "occurred": {"since": since.isoformat()}, "order": "DESC"}
        found = self._call("POST", "/events/filter", json={"filter": chosen, "limit": 1})["events"]
        return datetime.fromisoformat(found[0]["occurred"]) if found else None

    def move_run(self, run_id: str, state: Row) -> bool:
        """Set a flow run's state; False when the server's rules refuse it, because the run has moved on since it was read."""
        return self._call("POST", f"/flow_runs/{run_id}/set_state", json={"state": state})["status"] == "ACCEPT"

    def move_task_run(self, run_id: str, state: Row) -> None:
        """Set a task run's state, whatever it was in: its process reports no more."""
        self._call("POST", f"/task_runs/{run_id}/set_state", json={"state": state, "force": True})

    def free_slots(self, limit_id: str, *, held: int) -> None:
        """Set how many slots of a concurrency limit are held."""
        self._call("PATCH", f"/v2/concurrency_limits/{limit_id}", json={"active_slots": held})

    def emit(self, events: Sequence[Row]) -> None:
        """Send events of ours; one whose id the server has is stored and acted upon once."""
        self._call("POST", "/events", json=list(events))

    def _read_all(self, path: str, body: Mapping[str, Any]) -> list[Row]:
        rows: list[Row] = []
        while True:
            page = self._call("POST", path, json={**body, "limit": PAGE, "offset": len(rows)})
            rows += page
            if len(page) < PAGE:
                return rows

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._client.request(method, path, **options)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise ServerError(f"the Prefect server does not answer {method} {path} as expected: {said}") from error
        return answer.json() if answer.content else None


def any_of(values: Collection[str]) -> Row:
    """Prefect's way to say "one of these" in a filter."""
    return {"any_": list(values)}
