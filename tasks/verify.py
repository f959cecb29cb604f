"""What `verify_environment` needs around the stages that it runs: verdicts on them, the probes, the record, the end."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect import State, task
from prefect.runtime import flow_run

from headrace import probes, verification
from headrace.decisions import Decision, blocked, passed
from headrace.errors import HeadraceError
from headrace.lake.batches import format_instant
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.verification import Check
from tasks.options import STORE
from tasks.stage import StageResult, final_state

progress = logging.getLogger("headrace.progress")


def read_start() -> datetime:
    """The scheduled start (UTC, whole seconds) of the run, which a rerun of it keeps: it names the verification."""
    return datetime.fromisoformat(str(flow_run.scheduled_start_time)).astimezone(UTC).replace(microsecond=0)


def judge_stage(stage: str, as_of: datetime, state: State[Any], *, started: float) -> Check:
    """The verdict on a stage's subflow. Every end but Completed blocks, an error and a crash too."""
    gate = f"{stage}@{format_instant(as_of)}"
    decision = passed(gate, state.result().reason) if state.is_completed() else blocked(gate, _describe_end(state))
    return Check(kind="stage", decision=decision, duration_s=time.monotonic() - started)


def _describe_end(state: State[Any]) -> str:
    """Why a stage did not pass. An error that is not ours may quote a row, so only its kind is told."""
    if state.name == "Blocked":
        return f"blocked: {state.message}"
    failure = state.result(raise_on_failure=False)
    if isinstance(failure, HeadraceError):
        return f"{type(failure).__name__}: {failure}"
    return f"{state.name} with {type(failure).__name__}; the run's log tells where"


@task(**STORE)
def check_outcomes(settings: Settings, case: UseCase) -> list[Check]:
    """What all stages together must have left in the scratch environment."""
    started = time.monotonic()
    decisions = verification.decide_outcomes(settings, case)
    return [Check(kind="outcome", decision=decision, duration_s=time.monotonic() - started) for decision in decisions]


@task(**STORE)
def probe_servers(settings: Settings, case: UseCase) -> list[Check]:
    """Ask the environment's own servers."""
    started = time.monotonic()
    return [Check(kind="probe", decision=decision, duration_s=time.monotonic() - started) for decision in probes.probe(settings, case)]


@task(**STORE)
def record_checks(settings: Settings, case: UseCase, checks: Sequence[Check], *, verified_at: datetime) -> None:
    """Write the rows of a verification to `metrics.environment_checks`."""
    verification.record_checks(settings, case, checks, verified_at=verified_at)


def end_verification(verdict: Decision, checks: Sequence[Check], *, verified_at: datetime) -> StageResult | State[Any]:
    """The final state of a verification: Completed, or `Blocked` with all that was not as it must be."""
    for check in checks:
        mark = "passed" if check.decision.passed else "BLOCKED"
        progress.info("%-8s %-7s %-36s %s", check.kind, mark, check.decision.gate, check.decision.reason)
    result = StageResult(flow=verification.FLOW, as_of=verified_at, passed=verdict.passed, reason=verdict.reason)
    return final_state(result)
