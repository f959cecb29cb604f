"""Requests and answers as rows: each written once."""

from datetime import UTC, datetime, timedelta

from headrace.decisions import passed
from headrace.lake import tables
from headrace.registry import approvals

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
JUDGED, OTHER = passed("promotion", "better", {"gain": 0.01}), passed("promotion", "better", {"gain": 0.02})


def test_the_same_request_is_one_row_and_other_evidence_another(settings, case, register):
    version = register("a")
    for hours, judged in enumerate([JUDGED, JUDGED, OTHER, JUDGED, JUDGED]):
        at = NOON + timedelta(hours=hours)
        approvals.record_request(settings, case, version=version, judged=judged, as_of=at, requested_at=at, run_id=f"run-{hours}")
    rows = tables.read(settings, "metrics.approval_requests").sort("requested_at").collect()
    assert rows["prefect_run_id"].to_list() == ["run-0", "run-2", "run-3"]
    newest = approvals.read_request(settings, case, version=version)
    assert newest is not None
    assert (newest.requested_at, newest.evidence) == (NOON + timedelta(hours=3), {"gain": 0.01})


def test_an_approval_of_before_answers_named_their_evidence_is_read_and_counts_no_more(settings, case, register):
    version = register("a")
    old = {"use_case": case.name, "model_version": version.number, "model_id": version.model_id, "approver": "ada", "reason": "good"}
    row = approvals.build_row(approvals.APPROVALS, old | {"approved_at": NOON})
    tables.append(settings, approvals.APPROVALS, row, batch_id="approve/tiny/a/1")
    (answer,) = approvals.read_answers(settings, case, version=version)
    assert (answer.approval_id, answer.decision, answer.evidence_hash) == ("", "", "")
