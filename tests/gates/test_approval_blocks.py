"""The approval gate: every way in which it must block, and the answers that are refused before they are written."""

from datetime import UTC, datetime, timedelta

import pytest

from headrace.decisions import blocked, passed
from headrace.errors import RegistryError
from headrace.registry import approvals, history, promotion, versions
from headrace.registry.evidence import is_waiting

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
JUDGED = passed("promotion", "gain +0.0100, lower bound +0.0040", {"gain": 0.01, "gain_lower_bound": 0.004})
OTHER = passed("promotion", "gain +0.0200, lower bound +0.0050", {"gain": 0.02, "gain_lower_bound": 0.005})


@pytest.fixture
def settings(settings):
    """An environment that asks a person."""
    return settings.model_copy(update={"approval": "required", "approval_expires_hours": 72})


@pytest.fixture
def ask(settings, case):
    def ask_about(version, judged=JUDGED, at=NOON):
        return approvals.record_request(settings, case, version=version, judged=judged, as_of=NOON, requested_at=at, run_id="")

    return ask_about


@pytest.fixture
def answer(settings, case):
    def answer_about(version, decision="approve", approver="ada", reason="looks right", evidence=None, at=NOON):
        return approvals.record_answer(
            settings, case, version=version, decision=decision, approver=approver, reason=reason, evidence=evidence, approved_at=at
        )

    return answer_about


@pytest.fixture
def decide(settings, case):
    def decide_about(version, judged=JUDGED, now=NOON):
        return promotion.decide_approval(settings, case, version, judged, now=now)

    return decide_about


def test_an_approval_of_this_version_and_evidence_passes(register, ask, answer, decide):
    version = register("a")
    ask(version)
    answer(version)
    assert decide(version, now=NOON + timedelta(hours=71)).passed


def test_a_missing_approval_blocks_and_says_what_to_type(register, ask, decide):
    version = register("a")
    ask(version)
    decision = decide(version)
    assert is_waiting(decision)
    assert "waits for a person (nobody has answered yet): make approve USE_CASE=tiny ENV=dev VERSION=1" in decision.reason


def test_an_approval_of_other_evidence_blocks(register, ask, answer, decide):
    version = register("a")
    ask(version)
    answer(version)
    decision = decide(version, OTHER)
    assert is_waiting(decision)
    assert "approved other evidence" in decision.reason


def test_an_approval_of_another_version_blocks(register, ask, answer, decide):
    first, second = register("a"), register("b")
    ask(first)
    ask(second)
    answer(first)
    assert is_waiting(decide(second))
    assert decide(first).passed


def test_an_expired_approval_blocks_and_can_be_given_again(register, ask, answer, decide):
    version, later = register("a"), NOON + timedelta(hours=72)
    ask(version)
    answer(version)
    decision = decide(version, now=later)
    assert is_waiting(decision)
    assert "older than 72 hours" in decision.reason
    answer(version, at=later)
    assert decide(version, now=later).passed


def test_an_approval_works_once(settings, case, register, ask, answer, decide):
    version = register("a")
    ask(version)
    given = answer(version)
    promotion.record_verdict(settings, case, version, JUDGED, as_of=NOON, approval=decide(version))
    row = history.read_promotions(settings, case).row(0, named=True)
    assert (row["approver"], row["approved_at"], row["approval_reason"], row["approval_id"]) == ("ada", NOON, "looks right", given.approval_id)
    decision = decide(version)
    assert is_waiting(decision)
    assert "works once" in decision.reason


def test_a_refusal_blocks_for_good_whatever_the_evidence_and_its_age(settings, case, register, ask, answer, decide):
    version = register("a")
    ask(version)
    answer(version, "reject", reason="worse at night")
    decision = decide(version, OTHER, now=NOON + timedelta(days=300))
    assert not decision.passed
    assert not is_waiting(decision)

    verdict = promotion.record_verdict(settings, case, version, JUDGED, as_of=NOON, approval=decision)
    history.finish_promotions(settings, case)
    assert verdict == blocked("promotion", "approval: ada refused it: worse at night", JUDGED.evidence)
    row = history.read_promotions(settings, case).row(0, named=True)
    assert (row["action"], row["approver"], row["approval_reason"]) == ("reject", "ada", "worse at night")
    assert versions.read(settings, case, number=version.number).tags["stage"] == "archived"
    assert versions.read_alias(settings, case, alias=versions.CHALLENGER) is None


def test_an_approval_can_become_a_refusal_and_not_the_other_way_round(register, ask, answer, decide):
    version = register("a")
    ask(version)
    answer(version)
    answer(version, "reject", approver="bob")
    assert "bob refused it" in decide(version).reason
    with pytest.raises(RegistryError, match=r"answered already \(bob refused it"):
        answer(version, approver="cleo")


def test_no_verdict_is_written_for_a_version_that_waits(settings, case, register, ask, decide):
    version = register("a")
    ask(version)
    with pytest.raises(RegistryError, match="asks for a person first"):
        promotion.record_verdict(settings, case, version, JUDGED, as_of=NOON, approval=decide(version))
    assert history.read_promotions(settings, case).is_empty()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"approver": " "}, r"needs a person \(BY=\)", id="nobody"),
        pytest.param({"reason": ""}, r"needs a person \(BY=\)", id="no reason"),
        pytest.param({"evidence": "0123456789abcdef"}, "not 0123456789abcdef", id="other evidence"),
        pytest.param({"evidence": ""}, "not none", id="evidence left empty"),
    ],
)
def test_an_answer_that_lacks_something_is_refused(settings, case, register, ask, answer, given, expected):
    version = register("a")
    ask(version)
    with pytest.raises(RegistryError, match=expected):
        answer(version, **given)
    assert approvals.read_answers(settings, case, version=version) == []


def test_an_answer_before_anybody_asked_is_refused(register, answer):
    with pytest.raises(RegistryError, match="nobody has asked about version 1 of dev.tiny yet"):
        answer(register("a"))


def test_a_second_approval_is_refused_while_the_first_counts(register, ask, answer):
    version = register("a")
    ask(version)
    answer(version)
    with pytest.raises(RegistryError, match=r"answered already \(approved by ada"):
        answer(version, approver="bob")


def test_an_answer_after_the_verdict_is_refused(settings, case, register, ask, answer):
    version = register("a")
    ask(version)
    history.record_verdict(settings, case, version, blocked("promotion", "worse"), as_of=NOON)
    with pytest.raises(RegistryError, match="has its verdict already"):
        answer(version)


def test_an_answer_names_what_was_asked_last(settings, case, register, ask, answer, decide):
    version = register("a")
    first, second = ask(version), ask(version, OTHER, NOON + timedelta(hours=1))
    with pytest.raises(RegistryError, match=f"waits with evidence {second.evidence_hash[:16]}"):
        answer(version, evidence=first.evidence_hash[:16])
    answer(version, evidence=second.evidence_hash[:16].upper())
    assert decide(version, OTHER).passed
    assert not decide(version, JUDGED).passed
