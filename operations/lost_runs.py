"""Runs that no process works on any more: found, closed, and started again where a deployment can do so.

What a run wrote is in the lake exactly once, so starting it again does what is left and nothing twice. A run is started again
at most three times; then it stays Failed, with the reason, for a person. What a gate blocked, what failed by itself and what
was cancelled is never started again.

A run is lost when its process was seen on this machine and is gone, or when its heartbeat has been silent for three beats while
the server was there to hear it. A process that is alive on this machine is proof against both: an orphan whose worker
died works on, and a second process beside it is never started.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from operations.orchestrator import Orchestrator, Row, any_of

logger = logging.getLogger(f"headrace.{__name__}")

# Every process of an environment beats every 30 s (`headrace.process`), and the server needs seconds to store a beat.
HEARTBEAT = "prefect.flow-run.heartbeat"
SILENT_AFTER = timedelta(seconds=90)

# A worker brings a run from Pending to Running within seconds, on a loaded machine within a minute.
PENDING_AFTER = timedelta(minutes=5)

# A worker reports a crash twice, the second time seconds later (26 s on a machine under load). One that overtakes a resumption
# undoes it, which is not counted.
SETTLED_AFTER = timedelta(seconds=10)

# Task runs are recorded by events, some seconds behind the flow run they belong to.
CHILDREN_AFTER = timedelta(seconds=60)

# An older crash was seen by a person, or concerns nobody any more.
CRASHED_WITHIN = timedelta(hours=24)

RESUMPTIONS = 3

# Name of the state, of type Scheduled, that a run is resumed by; by it the resumptions are counted.
RESUMED = "Resumed"

_UNENDED = ("RUNNING", "PENDING", "CANCELLING")
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass
class Sight:
    """What the watcher has seen so far.

    Attributes:
        steady_since: Since when (UTC) the server has answered every look: a silence before that is its own.
        seen: Runs whose process was seen on this machine.
        missed: Runs whose process had been seen and was gone at the last look.
    """

    steady_since: datetime
    seen: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)


def list_processes(proc: Path = Path("/proc")) -> dict[str, int]:
    """Flow run -> process on this machine that works on it; empty where there is no `/proc` (macOS)."""
    found = {}
    for folder in proc.glob("[0-9]*"):
        try:
            # What a flow's process starts inherits its variables, but is no Prefect engine.
            if b"prefect" not in (folder / "cmdline").read_bytes():
                continue
            variables = dict(pair.partition(b"=")[::2] for pair in (folder / "environ").read_bytes().split(b"\0"))
        except OSError:
            # The process ended while we looked, or is another user's.
            continue
        run = variables.get(b"PREFECT__FLOW_RUN_ID")
        if run:
            found[os.fsdecode(run)] = int(folder.name)
    return found


def resume_lost_runs(orchestrator: Orchestrator, sight: Sight, *, now: datetime) -> None:
    """One look: mark what is lost, close what it left open, start again what a deployment can start again."""
    runs = list(_read_unended(orchestrator, now=now))
    # After the runs were read: a process that ended by itself before this has told the server, which then refuses our state.
    processes = list_processes()
    for run in runs:
        if run["id"] in processes:
            sight.seen.add(run["id"])
            sight.missed.discard(run["id"])
            continue
        reason = _explain_loss(orchestrator, run, sight, now=now)
        if reason is None:
            continue
        # Its next process may be on another machine.
        sight.seen.discard(run["id"])
        if run["state_type"] != "CRASHED":
            _end(orchestrator, run, reason)
        if run["deployment_id"] and run["state_type"] != "CANCELLING":
            _resume(orchestrator, run, reason, now=now)
    close_children(orchestrator, now=now)
    sight.seen &= {run["id"] for run in runs}
    sight.missed &= sight.seen


def _read_unended(orchestrator: Orchestrator, *, now: datetime) -> Iterator[Row]:
    """Runs of their own, no subflows: such as should be worked on, and such as crashed lately."""
    alone = {"parent_task_run_id": {"is_null_": True}}
    yield from orchestrator.read_runs({**alone, "state": {"type": any_of(_UNENDED)}})
    crashed = {"state": {"type": any_of(["CRASHED"])}, "end_time": {"after_": (now - CRASHED_WITHIN).isoformat()}}
    yield from orchestrator.read_runs({**alone, **crashed, "deployment_id": {"is_null_": False}})


def _explain_loss(orchestrator: Orchestrator, run: Row, sight: Sight, *, now: datetime) -> str | None:
    """Why nobody works on a run that has no process here; None when somebody may."""
    since = _read_instant(run["state"]["timestamp"])
    if run["state_type"] == "CRASHED":
        return str(run["state"]["message"]) if now - since > SETTLED_AFTER else None
    if run["state_type"] in ("PENDING", "CANCELLING"):
        waiting = now - max(since, sight.steady_since)
        return f"{run['state_name']} for {waiting.seconds} s, and no process took it up" if waiting > PENDING_AFTER else None
    if run["id"] in sight.missed:
        return "its process is gone"
    if run["id"] in sight.seen:
        # Once more at the next look: it may have ended well while we looked.
        sight.missed.add(run["id"])
        return None
    beat = orchestrator.read_last_event(HEARTBEAT, resource=f"prefect.flow-run.{run['id']}", since=since)
    silence = now - max(since, sight.steady_since, beat or since)
    return f"no heartbeat for {silence.seconds} s" if silence > SILENT_AFTER else None


def _end(orchestrator: Orchestrator, run: Row, reason: str) -> None:
    """Say in the run's record that nobody works on it; this frees its slot too. A cancelled one is cancelled now."""
    kind = "CANCELLED" if run["state_type"] == "CANCELLING" else "CRASHED"
    if orchestrator.move_run(run["id"], {"type": kind, "name": kind.capitalize(), "message": f"{reason} (found by the watcher)"}):
        logger.info("marked %s %s run=%s: %s", run["name"], kind.lower(), run["id"], reason)


def _resume(orchestrator: Orchestrator, run: Row, reason: str, *, now: datetime) -> None:
    """Schedule a crashed run again, or leave it Failed when that was done often enough."""
    _close(orchestrator, orchestrator.read_task_runs(_unended_tasks({"id": any_of([run["id"]])})))
    done = count_resumptions(orchestrator.read_states(run["id"]))
    if orchestrator.read_run(run["id"])["state_type"] != "CRASHED":
        return
    if done < RESUMPTIONS:
        message = f"resumed by the watcher, {done + 1} of {RESUMPTIONS}: {reason}"
        state = {"type": "SCHEDULED", "name": RESUMED, "message": message, "state_details": {"scheduled_time": now.isoformat()}}
    else:
        message = f"resumed {RESUMPTIONS} times and crashed again: {reason}. Read the run's log, mend the cause, then press Retry on its page"
        state = {"type": "FAILED", "name": "Failed", "message": message}
    if orchestrator.move_run(run["id"], state):
        logger.info("%s run=%s %s", run["name"], run["id"], message)


def count_resumptions(states: Sequence[Row]) -> int:
    """How often a run was resumed, by its states, oldest first; one that nobody took up before the next report of the crash does not count."""
    return sum(state["name"] == RESUMED and after["type"] != "CRASHED" for state, after in pairwise(states))


def close_children(orchestrator: Orchestrator, *, now: datetime) -> None:
    """Close task runs and subflows that still say Running although the run they belong to has ended."""
    before = {"end_time": {"before_": (now - CHILDREN_AFTER).isoformat()}}
    _close(orchestrator, orchestrator.read_task_runs(_unended_tasks({"state": {"type": any_of(_ENDED)}, **before})))


def _unended_tasks(parents: Mapping[str, object]) -> Row:
    return {"task_runs": {"state": {"type": any_of(("RUNNING", "PENDING"))}}, "flow_runs": parents}


def _close(orchestrator: Orchestrator, task_runs: list[Row]) -> None:
    """Mark task runs as crashed, and with each one that stands for a subflow the subflow and what is below it."""
    state = {"type": "CRASHED", "name": "Crashed", "message": "the process of its run was lost"}
    for task_run in task_runs:
        for child in orchestrator.read_runs({"parent_task_run_id": any_of([task_run["id"]]), "state": {"type": any_of(_UNENDED)}}):
            orchestrator.move_run(child["id"], state)
            _close(orchestrator, orchestrator.read_task_runs(_unended_tasks({"id": any_of([child["id"]])})))
        orchestrator.move_task_run(task_run["id"], state)


def _read_instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
