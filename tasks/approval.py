"""Ask a person whether a version may become champion: a deployment's own run suspends until the form is filled in, any other says how to answer.

A suspended run has no process and holds no slot, so it outlives workers and servers. Resumed, its flow runs from the top and
judges anew: what was approved must still be what the gates find.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import httpx
from prefect import suspend_flow_run, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.input import RunInput, keyset_from_base_key, read_flow_run_input
from prefect.states import Cancelled
from pydantic import Field, ValidationError

from headrace.decisions import Decision, blocked
from headrace.errors import RegistryError
from headrace.registry import approvals, history, promotion, versions
from headrace.registry.evidence import GATE, SHOWN_DIGITS, Answer, Request
from headrace.registry.versions import Version
from headrace.settings import Settings
from headrace.use_case import UseCase, is_replayed
from tasks.options import STORE

logger = logging.getLogger(__name__)

# Name of the state that Prefect gives to a run whose form was sent.
_SENT = "Resuming"

# Something but white space: the server checks it before it lets a run go on.
_NOT_BLANK = r"\S"


class ApprovalForm(RunInput):
    """What a person fills in. The server refuses it while a field is missing or blank."""

    decision: Literal["approve", "reject"] = Field(description="approve: the version becomes champion. reject: it is archived for good.")
    name: str = Field(min_length=1, max_length=200, pattern=_NOT_BLANK, description="Who you are. Kept with the decision.")
    reason: str = Field(min_length=1, max_length=2000, pattern=_NOT_BLANK, description="Why, in a sentence. Kept with the decision.")


@dataclass(frozen=True, kw_only=True)
class AskedKey:
    """Under what a run suspends, which Prefect keeps for it: `approval-<use case>-<version>-<evidence>-<count>`.

    Attributes:
        version: Number of the version that was asked about.
        evidence: First digits of the evidence's hash.
        count: How often this run has asked, from 1: an answer that cannot be used is asked for again.
    """

    version: int
    evidence: str
    count: int

    @classmethod
    def parse(cls, text: str, case: UseCase) -> "AskedKey | None":
        """Take a key apart; None when it is another use case's, or no such key."""
        found = re.fullmatch(rf"approval-{cls._spell(case)}-(\d+)-([0-9a-f]{{{SHOWN_DIGITS}}})-(\d+)", text)
        return cls(version=int(found[1]), evidence=found[2], count=int(found[3])) if found else None

    def build(self, case: UseCase) -> str:
        """The key as Prefect keeps it."""
        return f"approval-{self._spell(case)}-{self.version}-{self.evidence}-{self.count}"

    @staticmethod
    def _spell(case: UseCase) -> str:
        # Prefect's keys know no underscore.
        return case.name.replace("_", "-")


@task(**STORE)
def decide_approval(settings: Settings, case: UseCase, challenger: Version, judged: Decision) -> Decision:
    """Whether a person has approved the version on this evidence, where the environment asks for one."""
    return promotion.decide_approval(settings, case, challenger, judged, now=datetime.now(UTC))


@task(**STORE)
def record_request(settings: Settings, case: UseCase, challenger: Version, judged: Decision, *, as_of: datetime) -> Request:
    """Write to `metrics.approval_requests` what a person is asked."""
    own = _own_run()
    run_id = str(own.id) if own else ""
    return approvals.record_request(settings, case, version=challenger, judged=judged, as_of=as_of, requested_at=datetime.now(UTC), run_id=run_id)


@task(**STORE)
def record_form(settings: Settings, case: UseCase, challenger: Version) -> None:
    """What a person typed into this run's form becomes a row first, whatever happens next; without a form, nothing happens."""
    own = _own_run()
    keys = _asked_keys(case, own)
    answered = _read_resumptions(own) if own and keys else []
    # A form that is sent resumes the run, so the n-th question was answered when the run was resumed for the n-th time.
    for key, answered_at in zip(keys, answered, strict=False):
        form = _read_form(case, key) if key.version == challenger.number else None
        if form is not None:
            _record_form(settings, case, challenger, form, evidence=key.evidence, answered_at=answered_at)


def read_asked(settings: Settings, case: UseCase) -> Version | None:
    """The version that this run asked about before it was suspended, or None: a new challenger does not take its place."""
    keys = _asked_keys(case, _own_run())
    return versions.read(settings, case, number=keys[-1].version) if keys else None


def start_reign(settings: Settings, case: UseCase, challenger: Version, as_of: datetime, *, is_given: bool) -> datetime:
    """The instant (UTC) from which a verdict is in force: that of the run, but on a wall clock never before a person answered.

    Nor before a decision that was made while the run waited. An instant that a person named (`AS_OF`), and the present of a
    replay, are taken as they are.
    """
    if is_given or is_replayed(settings, case):
        return as_of
    answered = [answer.approved_at for answer in approvals.read_answers(settings, case, version=challenger)]
    decided = history.read_promotions(settings, case)["as_of"].to_list() if answered else []
    return max([as_of, *answered, *decided])


def ask_person(
    settings: Settings, case: UseCase, challenger: Version, judged: Decision, waits: Decision, links: Sequence[str], *, as_of: datetime
) -> Decision:
    """Suspend a deployment's own run until its form is filled in; anywhere else, return the decision that waits.

    Args:
        settings: The environment.
        case: The use case.
        challenger: The version that passed its gates.
        judged: What they found.
        waits: The blocked decision, which says how to answer without a form.
        links: Where more is shown, Markdown.
        as_of: Instant (UTC) that the run stands for.
    """
    run = _own_run()
    is_own = run is not None and run.deployment_id is not None and run.parent_task_run_id is None
    others = _list_waiting(case, challenger, without=run) if is_own else []
    if others:
        return blocked(GATE, f"run {others[0].name!r} waits already for a person to decide about version {challenger.number}; answer there")
    request = record_request(settings, case, challenger, judged, as_of=as_of)
    if not is_own:
        return waits
    expires = timedelta(hours=settings.approval_expires_hours)
    form = ApprovalForm.with_initial_data(description=_describe(settings, case, request, links, expires=expires))
    key = AskedKey(version=challenger.number, evidence=request.evidence_hash[:SHOWN_DIGITS], count=len(_asked_keys(case, run)) + 1)
    # Leaves the flow here; once it is answered, a new process begins at the top.
    suspend_flow_run(wait_for_input=form, timeout=int(expires.total_seconds()), key=key.build(case))
    return waits


def finish_waiting(settings: Settings, case: UseCase, challenger: Version) -> None:
    """Cancel other runs that still wait for a person to decide about a version that has its verdict."""
    if settings.approval == "automatic":
        return
    with get_client(sync_client=True) as client:
        for run in _list_waiting(case, challenger, without=_own_run()):
            client.set_flow_run_state(run.id, Cancelled(message=f"version {challenger.number} got its verdict from another run"), force=True)


def resume(case: UseCase, challenger: Version, answer: Answer) -> str:
    """Let the run that waits for this answer go on with it.

    Returns:
        What came of it, in half a sentence for a person: the row stands in any case.
    """
    if not os.environ.get("PREFECT_API_URL"):
        return "no Prefect server is up here, so the next promote takes it"
    values = {"decision": answer.decision, "name": answer.approver, "reason": answer.reason}
    try:
        waiting = _list_waiting(case, challenger, without=None)
        if not waiting:
            return "no run waits for it, so the next promote takes it"
        with get_client(sync_client=True) as client:
            outcome = client.resume_flow_run(waiting[0].id, run_input=values)
    except (httpx.HTTPError, ObjectNotFound) as error:
        return f"Prefect's server does not answer ({type(error).__name__}), so the next promote takes it"
    # The server says no with HTTP 200.
    if outcome.status != SetStateStatus.ACCEPT:
        return f"run {waiting[0].name!r} could not be resumed ({getattr(outcome.details, 'reason', None)}), so the next promote takes it"
    return f"run {waiting[0].name!r} goes on with it"


def _own_run() -> FlowRun | None:
    context = FlowRunContext.get()
    return context.flow_run if context else None


def _asked_keys(case: UseCase, run: FlowRun | None) -> list[AskedKey]:
    """Keys under which a run asked before, oldest first."""
    texts = (run.empirical_policy.pause_keys or set()) if run and run.empirical_policy else set()
    return sorted((key for text in texts if (key := AskedKey.parse(text, case)) is not None), key=lambda key: key.count)


def _read_resumptions(run: FlowRun) -> list[datetime]:
    """When people sent this run's forms (UTC), oldest first: minutes or days may pass until a worker takes it up."""
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(run.id)
    return sorted(state.timestamp for state in states if state.name == _SENT)


def _list_waiting(case: UseCase, challenger: Version, *, without: FlowRun | None) -> list[FlowRun]:
    """Runs that are suspended until somebody decides about a version."""
    paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=paused)
    keys = [AskedKey.parse(run.state.state_details.pause_key or "", case) if run.state else None for run in runs]
    mine = [run for run, key in zip(runs, keys, strict=True) if key is not None and key.version == challenger.number]
    return [run for run in mine if without is None or run.id != without.id]


def _read_form(case: UseCase, key: AskedKey) -> ApprovalForm | None:
    """What was typed into a form, or None: nothing came, or not what the form asks for. Then the run asks again."""
    values = read_flow_run_input(keyset_from_base_key(f"suspended-{key.build(case)}")["response"])
    try:
        return ApprovalForm.model_validate(values)
    except ValidationError as error:
        logger.warning("the answer under %s cannot be used (%d faults); asking again", key.build(case), error.error_count())
        return None


def _record_form(settings: Settings, case: UseCase, challenger: Version, form: ApprovalForm, *, evidence: str, answered_at: datetime) -> None:
    """Write a form as a row, unless `make approve`, or an earlier start of this run, has written it."""
    typed = (form.decision, form.name.strip(), form.reason.strip())
    known = [answer for answer in approvals.read_answers(settings, case, version=challenger) if answer.evidence_hash.startswith(evidence)]
    if typed in [(answer.decision, answer.approver, answer.reason) for answer in known]:
        return
    try:
        approvals.record_answer(
            settings,
            case,
            version=challenger,
            decision=form.decision,
            approver=form.name,
            reason=form.reason,
            evidence=evidence,
            approved_at=answered_at,
        )
    except RegistryError:
        # Somebody else was first, or the evidence moved on. The flow goes by the rows, and asks again if they leave it open.
        logger.warning("an answer about version %d came too late and was not taken; metrics.approvals has the one that counts", challenger.number)


def _describe(settings: Settings, case: UseCase, request: Request, links: Sequence[str], *, expires: timedelta) -> str:
    """The form's head: what is asked, the figures, and until when."""
    figures = [f"| {name} | {value if isinstance(value, str) else f'{value:.4g}'} |" for name, value in sorted(request.evidence.items())]
    until = datetime.now(UTC) + expires
    lines = [
        f"## Make version {request.version} of {settings.environment}.{case.name} champion?",
        "",
        f"It passed its gates: {request.reason}.",
        "",
        "| figure | value |",
        "|---|---|",
        *figures,
        "",
        " · ".join(links),
        "",
        f"Evidence `{request.evidence_hash[:SHOWN_DIGITS]}`. Answer before {until:%Y-%m-%d %H:%M}Z; "
        "after that this run fails, and a later one asks again.",
    ]
    return "\n".join(lines)
