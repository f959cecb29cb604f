"""The rows of asking and answering: `metrics.approval_requests` and `metrics.approvals`.

The form in Prefect's UI, `make approve` and `make reject` write an answer through the same function, so what one refuses
the others refuse too.
"""

import json
from datetime import datetime, timedelta

import polars as pl

from headrace.decisions import Decision
from headrace.errors import BatchError, RegistryError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import build_row
from headrace.registry import history, versions
from headrace.registry.evidence import APPROVE, REJECT, SHOWN_DIGITS, Answer, Request, decide_approval, hash_evidence, is_waiting
from headrace.settings import Settings
from headrace.use_case import UseCase

REQUESTS, APPROVALS = "metrics.approval_requests", "metrics.approvals"


def read_request(settings: Settings, case: UseCase, *, version: versions.Version) -> Request | None:
    """What a person was asked last about a version, or None when nobody was."""
    rows = _read(settings, REQUESTS, case, version, order="requested_at")
    if rows.is_empty():
        return None
    row = rows.row(-1, named=True)
    return Request(
        version=row["model_version"],
        model_id=row["model_id"],
        evidence_hash=row["evidence_hash"],
        reason=row["reason"],
        evidence=json.loads(row["evidence"]),
        requested_at=row["requested_at"],
    )


def record_request(
    settings: Settings, case: UseCase, *, version: versions.Version, judged: Decision, as_of: datetime, requested_at: datetime, run_id: str
) -> Request:
    """Write what a person is asked, unless the same was asked last.

    Args:
        settings: The environment.
        case: The use case.
        version: The version that needs a person.
        judged: What the gates found about it.
        as_of: Instant (UTC) that the run stands for.
        requested_at: Clock reading (UTC).
        run_id: Prefect's id of the run that asks.
    """
    evidence_hash = hash_evidence(judged, version=version.number, model_id=version.model_id)
    last = read_request(settings, case, version=version)
    if last is not None and last.evidence_hash == evidence_hash:
        return last
    row = {
        "use_case": case.name,
        "model_version": version.number,
        "model_id": version.model_id,
        "evidence_hash": evidence_hash,
        "reason": judged.reason,
        "evidence": json.dumps(dict(judged.evidence), sort_keys=True),
        "as_of": as_of,
        "requested_at": requested_at,
        "prefect_run_id": run_id,
    }
    ordinal = _read(settings, REQUESTS, case, version, order="requested_at").height + 1
    batch_id = build_batch_id("promote", case.name, f"{version.model_id}-{evidence_hash[:SHOWN_DIGITS]}-{ordinal}")
    tables.append(settings, REQUESTS, build_row(REQUESTS, row), batch_id=batch_id)
    request = read_request(settings, case, version=version)
    if request is None:
        raise RegistryError(f"the request about version {version.number} of {version.name} was written and is not there; look at {REQUESTS}")
    return request


def read_answers(settings: Settings, case: UseCase, *, version: versions.Version) -> list[Answer]:
    """Every answer about a version and what it was built from, oldest first."""
    return [
        Answer(
            approval_id=row["approval_id"] or "",
            decision=row["decision"] or "",
            approver=row["approver"],
            reason=row["reason"],
            evidence_hash=row["evidence_hash"] or "",
            approved_at=row["approved_at"],
        )
        for row in _read(settings, APPROVALS, case, version, order="approved_at").iter_rows(named=True)
    ]


def read_used(settings: Settings, case: UseCase) -> set[str]:
    """Ids of the answers that verdicts have used up."""
    return set(history.read_promotions(settings, case)["approval_id"].drop_nulls())


def record_answer(
    settings: Settings,
    case: UseCase,
    *,
    version: versions.Version,
    decision: str,
    approver: str,
    reason: str,
    evidence: str | None,
    approved_at: datetime,
) -> Answer:
    """Write that a person approves or refuses a version.

    Args:
        settings: The environment.
        case: The use case.
        version: The version.
        decision: `approve` or `reject`.
        approver: The person.
        reason: Why, in that person's words.
        evidence: Hash of the evidence that the person saw, or its first 16 digits; None: what was asked last.
        approved_at: Clock reading (UTC).

    Raises:
        RegistryError: Nobody says who or why, the version has its verdict, nothing was asked yet or something else, or it
            is answered already.
    """
    request = _check_answerable(settings, case, version, evidence=evidence)
    name, words = approver.strip(), reason.strip()
    if not name or not words or decision not in (APPROVE, REJECT):
        raise RegistryError(f"an answer about version {version.number} needs a person (BY=), a reason (REASON=), and approves or rejects")
    answers = read_answers(settings, case, version=version)
    _check_first(settings, case, version, answers, decision=decision, evidence_hash=request.evidence_hash, now=approved_at)
    approval_id = f"{version.number}-{request.evidence_hash[:SHOWN_DIGITS]}-{len(answers) + 1}"
    row = {
        "use_case": case.name,
        "model_version": version.number,
        "model_id": version.model_id,
        "approver": name,
        "reason": words,
        "approved_at": approved_at,
        "approval_id": approval_id,
        "decision": decision,
        "evidence_hash": request.evidence_hash,
    }
    batch_id = build_batch_id("approve", case.name, f"{version.model_id}-{len(answers) + 1}")
    try:
        tables.append(settings, APPROVALS, build_row(APPROVALS, row), batch_id=batch_id)
    except BatchError as error:
        raise RegistryError(f"somebody else answered about version {version.number} at the same moment; look at {APPROVALS}, then answer") from error
    return read_answers(settings, case, version=version)[-1]


def _check_answerable(settings: Settings, case: UseCase, version: versions.Version, *, evidence: str | None) -> Request:
    """The request that an answer is about; refused where there is none that it can be about."""
    if history.read_decision(settings, case, model_id=version.model_id) is not None:
        raise RegistryError(f"version {version.number} of {version.name} has its verdict already; only a version that waits can be answered about")
    request = read_request(settings, case, version=version)
    if request is None:
        raise RegistryError(
            f"nobody has asked about version {version.number} of {version.name} yet, so there is no evidence to have seen; "
            f"run make promote ENV={settings.environment} first"
        )
    # A prefix is what messages show; a shorter one could have been typed by chance.
    named = evidence.strip().lower() if evidence is not None else request.evidence_hash
    if len(named) < SHOWN_DIGITS or not request.evidence_hash.startswith(named):
        raise RegistryError(
            f"version {version.number} of {version.name} waits with evidence {request.evidence_hash[:SHOWN_DIGITS]}, not {named or 'none'}; "
            "look at what is shown now, and answer about that"
        )
    return request


def _check_first(
    settings: Settings, case: UseCase, version: versions.Version, answers: list[Answer], *, decision: str, evidence_hash: str, now: datetime
) -> None:
    """Refuse a second answer while the first one counts; only an approval may still become a refusal."""
    expires = timedelta(hours=settings.approval_expires_hours)
    earlier = decide_approval(answers, used=read_used(settings, case), evidence_hash=evidence_hash, expires=expires, now=now)
    if not is_waiting(earlier) and not (earlier.passed and decision == REJECT):
        raise RegistryError(f"version {version.number} of {version.name} is answered already ({earlier.reason}); promote takes it from there")


def _read(settings: Settings, table: str, case: UseCase, version: versions.Version, *, order: str) -> pl.DataFrame:
    is_mine = (pl.col("use_case") == case.name) & (pl.col("model_version") == version.number) & (pl.col("model_id") == version.model_id)
    return tables.read(settings, table).filter(is_mine).sort(order, maintain_order=True).collect()
