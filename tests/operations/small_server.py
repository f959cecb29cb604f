"""The little of a Prefect server that the watcher meets: runs, their states, and the rules that refuse a state."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from operations.orchestrator import Row

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)

_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).isoformat()


def run(name: str, state: str, *, at: str, **fields: Any) -> dict[str, Any]:
    """A deployment's own run, in a state since an instant."""
    row = {"id": name, "name": name, "deployment_id": "lifecycle", "parent_task_run_id": None, "run_count": 1, "auto_scheduled": True}
    return row | {"state_type": state, "state_name": state.capitalize(), "state": {"message": None, "timestamp": at}, **fields}


class SmallServer:
    """Answers like `Orchestrator`, from memory."""

    def __init__(self, *runs: dict[str, Any], tasks: Sequence[dict[str, Any]] = (), beats: dict[str, datetime] | None = None) -> None:
        self.runs = {row["id"]: row for row in runs}
        self.tasks = {row["id"]: row for row in tasks}
        self.beats = beats or {}
        self.history: dict[str, list[Row]] = {}
        self.limits: dict[str, dict[str, Any] | None] = {}
        self.sent: list[Row] = []

    def read_runs(self, where: Row) -> list[Row]:
        types, parents = where["state"]["type"]["any_"], where.get("parent_task_run_id", {}).get("any_")
        names = where["state"].get("name", {}).get("any_")
        found = [row for row in self.runs.values() if row["state_type"] in types and (names is None or row["state_name"] in names)]
        if "parent_task_run_id" in where:
            found = [row for row in found if (row["parent_task_run_id"] in parents if parents else row["parent_task_run_id"] is None)]
        return [dict(row) for row in found]

    def read_run(self, run_id: str) -> Row:
        return self.runs[run_id]

    def read_task_runs(self, where: Row) -> list[Row]:
        parents, types = where["flow_runs"], where["task_runs"]["state"]["type"]["any_"]
        ended = [row["id"] for row in self.runs.values() if row["state_type"] in _ENDED]
        ids = parents["id"]["any_"] if "id" in parents else ended
        return [row for row in self.tasks.values() if row["flow_run_id"] in ids and row["state_type"] in types]

    def read_states(self, run_id: str) -> list[Row]:
        return self.history.get(run_id, [])

    def read_deployments(self) -> list[Row]:
        return [{"id": name, "global_concurrency_limit": limit} for name, limit in self.limits.items()]

    def read_last_event(self, event: str, *, resource: str, since: datetime) -> datetime | None:
        return self.beats.get(resource.removeprefix("prefect.flow-run."))

    def move_run(self, run_id: str, state: Row) -> bool:
        row = self.runs[run_id]
        if row["state_type"] in _ENDED and state["type"] == "CRASHED":
            return False
        row |= {"state_type": state["type"], "state_name": state["name"], "state": {"message": state["message"], "timestamp": NOW.isoformat()}}
        self.history.setdefault(run_id, []).append(dict(state))
        return True

    def move_task_run(self, run_id: str, state: Row) -> None:
        self.tasks[run_id]["state_type"] = state["type"]

    def free_slots(self, limit_id: str, *, held: int) -> None:
        limit = next(limit for limit in self.limits.values() if limit and limit["id"] == limit_id)
        limit["active_slots"] = held

    def emit(self, events: Sequence[Row]) -> None:
        self.sent += events
