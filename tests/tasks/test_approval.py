"""What a run keeps about its question, what its form takes, and from when a verdict is in force."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import ValidationError

from headrace.decisions import blocked, passed
from headrace.registry import approvals, history
from headrace.registry.evidence import Answer
from headrace.registry.versions import Version
from tasks import approval
from tasks.approval import ApprovalForm, AskedKey
from tests.serving.tiny import TINY

DUE, ANSWERED = datetime(2026, 11, 27, 12, tzinfo=UTC), datetime(2026, 11, 27, 15, tzinfo=UTC)
VERSION = Version(name="dev.tiny", number=3, model_id="a", tags={}, source="")
ANSWER = Answer(approval_id="3-f-1", decision="approve", approver="ada", reason="good", evidence_hash="f" * 64, approved_at=ANSWERED)


def test_a_key_is_read_back_as_it_was_built():
    case, key = replace(TINY, name="flight_delay"), AskedKey(version=3, evidence="0123456789abcdef", count=2)
    assert key.build(case) == "approval-flight-delay-3-0123456789abcdef-2"
    assert AskedKey.parse(key.build(case), case) == key


def test_the_key_of_another_use_case_or_question_is_not_taken():
    key = AskedKey(version=2, evidence="0" * 16, count=1)
    assert AskedKey.parse(key.build(replace(TINY, name="tiny_1")), TINY) is None
    assert AskedKey.parse("1", TINY) is None


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param({"decision": "approve", "name": " ", "reason": "good"}, id="blank name"),
        pytest.param({"decision": "approve", "name": "ada"}, id="no reason"),
        pytest.param({"decision": "maybe", "name": "ada", "reason": "good"}, id="neither yes nor no"),
        pytest.param({}, id="nothing"),
    ],
)
def test_the_form_refuses_what_is_no_answer(typed):
    with pytest.raises(ValidationError, match=r"name|reason|decision"):
        ApprovalForm.model_validate(typed)


@pytest.mark.parametrize(
    ("clock", "is_given", "expected"),
    [
        pytest.param("wall", False, ANSWERED, id="not before the answer"),
        pytest.param("wall", True, DUE, id="a given instant is taken as it is"),
        pytest.param("replay", False, DUE, id="the present of a replay is taken as it is"),
    ],
)
def test_a_reign_on_a_wall_clock_begins_with_the_answer(settings, clock, is_given, expected):
    judged = passed("promotion", "better", {"gain": 0.01})
    asked = {"version": VERSION, "judged": judged, "as_of": DUE, "requested_at": DUE, "run_id": ""}
    approvals.record_request(settings, TINY, **asked)
    answered = {"version": VERSION, "decision": "approve", "approver": "ada", "reason": "good", "evidence": None, "approved_at": ANSWERED}
    approvals.record_answer(settings, TINY, **answered)
    on_clock = settings.model_copy(update={"clock": clock})
    assert approval.start_reign(on_clock, TINY, VERSION, DUE, is_given=is_given) == expected
    later = ANSWERED + timedelta(hours=1)
    assert approval.start_reign(on_clock, TINY, VERSION, later, is_given=is_given) == later

    # Another version got its verdict while this one waited for a person.
    history.record_verdict(settings, TINY, replace(VERSION, number=2, model_id="b"), blocked("promotion", "worse"), as_of=later)
    assert approval.start_reign(on_clock, TINY, VERSION, DUE, is_given=is_given) == (later if expected == ANSWERED else expected)


def test_an_answer_stands_where_no_server_is_up_or_it_does_not_answer(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert approval.resume(TINY, VERSION, ANSWER) == "no Prefect server is up here, so the next promote takes it"
    # Port 9 answers nobody. Prefect reads the variable when it is imported, so its setting is changed too.
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert approval.resume(TINY, VERSION, ANSWER) == "Prefect's server does not answer (ConnectError), so the next promote takes it"
