"""What a person is asked, what a person answered, and whether the answer counts. Nothing here is stored, and no clock is read.

An approval names the version and the hash of the evidence it saw. It counts if that evidence is still what the gates find,
if it is younger than the environment allows, and once: the verdict that used it names it. A refusal counts always.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headrace.decisions import Decision, blocked, passed

GATE = "approval"
APPROVE, REJECT = "approve", "reject"

# Digits of a figure that the hash looks at: two processors may differ in the last of seventeen, no person in the ninth.
_DIGITS = 9

# Hexadecimal digits of a hash that people are shown: 64 bits, enough that no two requests meet.
SHOWN_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person was shown about a version.

    Attributes:
        version: Its number in the registry.
        model_id: Its model id.
        evidence_hash: SHA-256 of what was shown.
        reason: What the gates found, in a sentence.
        evidence: The figures behind it.
        requested_at: Clock reading (UTC).
    """

    version: int
    model_id: str
    evidence_hash: str
    reason: str
    evidence: Mapping[str, float | str]
    requested_at: datetime


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a person decided about a version.

    Attributes:
        approval_id: Names the answer; empty in rows of before answers had names.
        decision: `approve` or `reject`.
        approver: The person.
        reason: Why, in that person's words.
        evidence_hash: Evidence that the person was shown; empty where none was named.
        approved_at: Clock reading (UTC).
    """

    approval_id: str
    decision: str
    approver: str
    reason: str
    evidence_hash: str
    approved_at: datetime


def hash_evidence(judged: Decision, *, version: int, model_id: str) -> str:
    """SHA-256 (64 hexadecimal digits) over the version and what the gates found about it.

    Args:
        judged: Verdict of the gates before a person: gate, reason, figures. Figures count to nine significant digits.
        version: Number in the registry.
        model_id: Hash of what the version was built from.
    """
    figures = {name: value if isinstance(value, str) else f"{value:.{_DIGITS}g}" for name, value in judged.evidence.items()}
    shown = {"version": version, "model_id": model_id, "gate": judged.gate, "reason": judged.reason, "evidence": figures}
    return hashlib.sha256(json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def decide_approval(answers: Sequence[Answer], *, used: Collection[str], evidence_hash: str, expires: timedelta, now: datetime) -> Decision:
    """Whether a person wants this version, having seen this evidence; blocked where nobody answered, or the answer does not count.

    Args:
        answers: Answers about this very version, oldest first.
        used: Ids of answers that verdicts have used up.
        evidence_hash: What the gates find now.
        expires: Age from which an approval counts no more.
        now: The present (UTC).

    Returns:
        A decision whose evidence names the answer (`approval_id`), but for the one that still waits for a person.
    """
    if refusals := [answer for answer in answers if answer.decision == REJECT]:
        return blocked(GATE, f"{refusals[0].approver} refused it: {refusals[0].reason}", {"approval_id": refusals[0].approval_id})
    obstacle = "nobody has answered yet"
    for answer in reversed(answers):
        obstacle = _find_obstacle(answer, used=used, evidence_hash=evidence_hash, expires=expires, now=now)
        if not obstacle:
            return passed(GATE, f"approved by {answer.approver}", {"approval_id": answer.approval_id})
    return blocked(GATE, obstacle)


def is_waiting(approval: Decision) -> bool:
    """Whether nobody has decided: neither an approval that counts nor a refusal."""
    return not approval.passed and "approval_id" not in approval.evidence


def _find_obstacle(answer: Answer, *, used: Collection[str], evidence_hash: str, expires: timedelta, now: datetime) -> str:
    """Why an approval does not count; empty when it does."""
    if answer.decision != APPROVE or answer.evidence_hash != evidence_hash:
        seen = answer.evidence_hash[:SHOWN_DIGITS] or "none"
        return f"{answer.approver} approved other evidence ({seen}) than there is now ({evidence_hash[:SHOWN_DIGITS]})"
    if answer.approval_id in used:
        return f"the approval by {answer.approver} was used by an earlier verdict, and works once"
    if now - answer.approved_at >= expires:
        return f"the approval by {answer.approver} is older than {expires / timedelta(hours=1):g} hours, and counts no more"
    return ""
