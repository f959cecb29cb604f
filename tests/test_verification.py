"""Scratch environments, what they must leave, and the verdict about all of it."""

import os
import time
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace import use_case as use_cases
from headrace import verification
from headrace.decisions import blocked, passed
from headrace.lake import runs, tables
from headrace.settings import load_settings, within
from headrace.verification import Check

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
CASE = use_cases.load("flight_delay")


def check(kind, decision):
    return Check(kind=kind, decision=decision, duration_s=1.0)


ALL_KINDS = [check("stage", passed("ingest", "in")), check("outcome", passed("champion", "version 1")), check("probe", passed("registry", "answers"))]


def open_and_leave(settings, instant, decision):
    with verification.scratch(settings, CASE.name, verified_at=instant) as scratch:
        return scratch.home, verification.finish_scratch(scratch, decision)


def test_a_scratch_environment_shares_nothing_with_its_own(tmp_path):
    staging = load_settings("staging", home=tmp_path, variables={})
    with verification.scratch(staging, CASE.name, verified_at=NOON) as scratch:
        assert scratch.home == tmp_path / "staging" / "run" / "verify" / "flight_delay-20261127T120000Z"
        assert scratch.environment_home.parent == scratch.home
        assert scratch.registry_uri.startswith(f"sqlite:///{scratch.home}/")
        assert (scratch.environment, scratch.clock, scratch.approval, scratch.subset) == ("staging_verify", "replay", "automatic", True)
        assert (scratch.reads_from, scratch.notify_uri) == (None, None)
        assert scratch.readable == {"prod": str(tmp_path / "prod" / "lake")}
        assert verification.list_ticks(use_cases.load_in(scratch, CASE.name), verified_at=NOON) == CASE.subset.replay.ticks[:2]


def test_flows_find_the_scratch_environment_and_afterwards_their_own(tmp_path, settings, monkeypatch):
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    with verification.scratch(settings, CASE.name, verified_at=NOON) as scratch, within(scratch):
        assert load_settings() == scratch
        assert load_settings("prod").environment == "prod", "who names an environment gets it"
    assert load_settings() == settings


def test_what_passed_is_deleted_and_what_failed_is_kept_and_named(settings):
    gone, verdict = open_and_leave(settings, NOON, passed("verify_environment", "18 checks passed"))
    assert verdict.passed
    assert not gone.exists()
    kept, verdict = open_and_leave(settings, NOON, blocked("verify_environment", "refine: blocked"))
    assert kept.is_dir()
    assert verdict.reason == f"refine: blocked. What it left: {kept}"


def test_scratch_of_a_killed_verification_is_deleted_and_that_of_a_running_one_is_not(settings):
    with verification.scratch(settings, CASE.name, verified_at=NOON) as running:
        killed = running.home.parent / "flight_delay-20200101T000000Z"
        (killed / "dev_verify").mkdir(parents=True)
        with verification.scratch(settings, CASE.name, verified_at=NOON + timedelta(minutes=1)):
            assert running.home.is_dir()
            assert not killed.exists()


def test_only_the_newest_failures_are_kept(settings):
    folders = []
    for minute in range(5):
        folder, _ = open_and_leave(settings, NOON + timedelta(minutes=minute), blocked("verify_environment", "no"))
        stamp = time.time() - 1000 + minute
        os.utime(folder / "verdict.txt", (stamp, stamp))
        folders.append(folder)
    open_and_leave(settings, NOON + timedelta(hours=1), passed("verify_environment", "yes"))
    assert [folder.exists() for folder in folders] == [False, False, True, True, True]


@pytest.mark.parametrize("kind", ["stage", "outcome", "probe"])
def test_a_verification_that_did_not_look_at_everything_blocks(kind):
    verdict = verification.decide_verification([found for found in ALL_KINDS if found.kind != kind])
    assert not verdict.passed
    assert verdict.reason == f"{kind}: none was checked"
    assert verification.decide_verification(ALL_KINDS).passed


def test_one_failed_check_blocks_and_is_named():
    verdict = verification.decide_verification([*ALL_KINDS, check("probe", blocked("worker", "no worker of dev-pool is online"))])
    assert not verdict.passed
    assert verdict.reason == "worker: no worker of dev-pool is online"


def test_stages_that_had_nothing_to_do_leave_nothing_and_block(settings):
    decisions = {decision.gate: decision for decision in verification.decide_outcomes(settings, CASE)}
    assert not any(decision.passed for decision in decisions.values())
    assert decisions["champion"].reason == "no version became champion"
    assert "no row in metrics.model_performance" in decisions["performance"].reason


def test_the_record_is_written_once_and_tells_the_same_verdict(settings):
    checks = [*ALL_KINDS, check("probe", blocked("worker", "none is online"))]
    for _ in range(2):
        verification.record_checks(settings, CASE, checks, verified_at=NOON)
    assert tables.read(settings, verification.TABLE).select(pl.len()).collect().item() == 4
    read = verification.read_checks(settings, CASE, verified_at=NOON)
    assert verification.decide_verification(read) == verification.decide_verification(checks)
    assert verification.read_checks(settings, CASE, verified_at=NOON + timedelta(days=1)) == []
    assert runs.read_finished(settings, CASE.name, verification.FLOW).is_empty()
