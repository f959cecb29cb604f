"""An assistant in staging as a person runs it, verb by verb: deployed with packages of its own, approved, asked, reviewed, verified, taken away."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import httpx
import polars as pl
import pytest

from benchmarks.story import machine
from benchmarks.story.place import Place, build_place, remove_place
from benchmarks.story.runs import Server
from headrace.lake import tables
from headrace.settings import load_settings
from operations import services
from tests.drills.rig import wait_until

NAME, ENV = "docs_assistant", "staging"

# What `stages` of the use case and `prefect.yaml` make of it; Prefect spells names with dashes.
FLOWS = {"lifecycle", "ingest", "refine", "featurize", "llm-index", "llm-evaluate", "score", "monitor"}
FLOWS |= {"retrain", "train", "promote", "rollback", "verify-environment"}

# Far away, so that a schedule is there and starts nothing.
YEARLY = "0 0 1 1 *"

# Twenty answers in a model's words, each of them seconds of a core that other work shares.
PATIENCE_SECONDS = 1_800


@pytest.fixture
def place(monkeypatch):
    """A clone on `main` with its record of passed checks, and a staging that takes the documentation itself: prod has ingested nothing."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-assistant-"))
    monkeypatch.setenv("HEADRACE_KEYS", str(folder / "keys"))
    models = str(load_settings("dev", variables={}).models)
    schedules = {"lifecycle": YEARLY, "retrain": YEARLY, "promote": None, "verify_environment": None}
    made = build_place(folder, {ENV: {"reads_from": None, "models_root": models, "schedules": schedules, "threads": 1}})
    record_checks(made, folder / "junit.xml")
    try:
        yield made
        made.verb("down", ENV)
    finally:
        machine.end_processes(made.home)
        remove_place(made)


def record_checks(place: Place, report: Path) -> None:
    """What make ci types at its end; to run all tests here would be to run this one."""
    report.write_text('<testsuites><testsuite tests="3" failures="0" errors="0" skipped="1"/></testsuites>')
    command = [sys.executable, "-m", "operations.checks", "--junit", str(report), "--begun-at", place.git("rev-parse", "HEAD"), "--tests", "tests"]
    said = subprocess.run(command, cwd=place.clone, env=place.variables(), capture_output=True, text=True, check=True).stdout
    assert "recorded that commit" in said


def test_an_assistant_from_its_first_deployment_to_its_last_answer(place):
    """One test, because each act begins where the one before ended."""
    tell("make up", place.verb("up", ENV).seconds)
    tell("make deploy", place.verb("deploy", ENV, USE_CASE=NAME).seconds)
    settings = place.settings(ENV)
    server = Server(settings, NAME)
    expect_all_declared_and_nothing_to_do(place, server)
    expect_documents_to_land_by_themselves(settings, server)
    expect_a_champion_once_a_person_agreed(settings, server)
    asked = expect_answers_with_citations(settings)
    expect_a_correction_to_become_a_question_that_is_answered(place, settings, server, asked)
    expect_everything_logged_once(settings, server, asked)
    expect_the_verification_to_pass(place, settings)
    expect_nothing_left(place, settings, server)


def expect_all_declared_and_nothing_to_do(place, server):
    flows = {flow["id"]: flow["name"] for flow in server.post("flows/filter", {})}
    declared = {flows[row["flow_id"]]: row for row in server.post("deployments/filter", {})}
    assert set(declared) == FLOWS
    crons = {flow: [one["schedule"]["cron"] for one in row["schedules"]] for flow, row in declared.items() if row["schedules"]}
    assert crons == {"lifecycle": [YEARLY], "retrain": [YEARLY]}
    assert "nothing would change" in place.verb("diff", ENV, USE_CASE=NAME).text.splitlines()
    assert "there is no champion" in place.verb("status", ENV).text


def expect_documents_to_land_by_themselves(settings, server):
    """The watcher finds what the deployed release has not ingested; then a person presses Run."""
    landed = server.wait("the run that landed documents start", lambda: next(iter(server.find("ingest")), None), seconds=PATIENCE_SECONDS)
    server.wait_for_end(landed, seconds=PATIENCE_SECONDS)
    assert read_count(settings, f"bronze.{NAME}_documents") > 0
    run = server.wait_for_end(server.start("lifecycle"), seconds=PATIENCE_SECONDS)
    tell("lifecycle, the first time", (run.ended_at - run.started_at).total_seconds())
    assert read_count(settings, f"gold.{NAME}_chunks") > 100
    assert read_count(settings, "metrics.index_versions") == 1
    refused = ask(settings, "/chat", {"question": "Why are strings immutable?"}, expect=503)
    assert "no champion" in refused["error"]


def expect_a_champion_once_a_person_agreed(settings, server):
    server.wait_for_end(server.start("retrain"), seconds=PATIENCE_SECONDS)
    waiting = server.wait("the promotion that the event starts", lambda: next(iter(server.find("promote")), None), seconds=PATIENCE_SECONDS)
    waiting = server.wait_for_end(waiting, seconds=PATIENCE_SECONDS, expect="Suspended")
    assert machine.read_alias(settings, "champion", use_case=NAME) is None
    server.fill_form(waiting, decision="approve", name="Ada", reason="Quotes the right section")
    server.wait_for_end(waiting, seconds=PATIENCE_SECONDS)
    assert machine.read_alias(settings, "champion", use_case=NAME) == 1
    tell("promoted, until it is served", wait_until(lambda: read_health(settings)["model_version"] == 1, "the server to take the champion"))


def expect_answers_with_citations(settings):
    """Questions of the FAQ, by every door; returns the request ids, the first of them answered and corrected by a reader."""
    questions = tables.read(settings, f"silver.{NAME}_questions").filter("is_answerable").sort("question_id").head(6).collect()["question"].to_list()
    replies = [ask(settings, "/chat", {"question": question}) for question in questions]
    answered = [reply for reply in replies if reply["is_answered"]]
    assert len(answered) >= 4, "the bar of silence is drawn where nine in ten are answered"
    assert all(reply["citations"][0]["quotation"] and reply["model_version"] == 1 for reply in answered)
    worded = ask(settings, "/chat", {"question": questions[0], "words": True})
    assert worded["words"]["model"] == "smollm2-135m-instruct", worded["words"]
    body = {"model": NAME, "messages": [{"role": "user", "content": questions[1]}]}
    completion = ask(settings, "/v1/chat/completions", body)
    assert completion["choices"][0]["message"]["content"] == replies[1]["answer"]
    correction = {"request_id": answered[0]["request_id"], "rating": "down", "correction": "It is said elsewhere.", "ask_person": False}
    assert ask(settings, "/feedback", correction)["is_new"]
    return [answered[0]["request_id"], *(reply["request_id"] for reply in [*replies, worded, completion] if reply is not answered[0])]


def expect_a_correction_to_become_a_question_that_is_answered(place, settings, server, asked):
    """A person accepts it; it lands as a question, and the champion in force answers it at the next tick."""
    tell("feedback, until it is in bronze", wait_until(lambda: read_count(settings, f"bronze.{NAME}_feedback") == 1, "feedback to land"))
    assert "It is said elsewhere." in place.verb("review", ENV, USE_CASE=NAME).text
    feedback = tables.read(settings, f"silver.{NAME}_feedback").collect()
    assert feedback["request_id"].str.split("/").list.first().to_list() == asked[:1]
    section = tables.read(settings, f"silver.{NAME}_sections").filter(pl.col("token_count") > 20).head(1).collect()["section_id"].item()
    decided = {"FEEDBACK": feedback["feedback_id"].item(), "DECISION": "accept", "SECTION": section, "BY": "ada", "REASON": "the section says so"}
    known = read_count(settings, f"bronze.{NAME}_questions")
    assert "recorded: accept" in place.verb("review", ENV, USE_CASE=NAME, **decided).text
    wait_until(lambda: read_count(settings, f"bronze.{NAME}_questions") == known + 1, "the accepted question to land")
    run = server.wait_for_end(server.start("lifecycle"), seconds=PATIENCE_SECONDS)
    tell("lifecycle with twenty worded answers", (run.ended_at - run.started_at).total_seconds())
    predictions = tables.read(settings, f"inference.{NAME}_predictions").collect()
    assert predictions["model_version"].to_list() == [1]
    # Ten new answers, or thirty days, are what the policy waits for.
    server.wait_for_end(server.start("retrain"), seconds=PATIENCE_SECONDS)
    decisions = tables.read(settings, "metrics.retrain_decisions").sort("as_of").collect()
    assert decisions["should_retrain"].to_list() == [True, False]
    assert read_count(settings, f"inference.{NAME}_worded_answers") == 20


def expect_everything_logged_once(settings, server, asked):
    """`monitor` brings the server's log into the lake, and what led to each answer into MLflow."""
    server.wait_for_end(server.start("monitor"), seconds=PATIENCE_SECONDS)
    logged = tables.read(settings, f"inference.{NAME}_requests").collect()["request_id"].str.split("/").list.first().to_list()
    assert sorted(logged) == sorted(asked)
    assert read_count(settings, "metrics.traces") == len(asked)


def expect_the_verification_to_pass(place, settings):
    tell("make verify", place.verb("verify", ENV, USE_CASE=NAME).seconds)
    checks = tables.read(settings, "metrics.environment_checks").collect()
    assert checks["is_passed"].all()
    probes = set(checks.filter(pl.col("kind") == "probe")["check_name"])
    assert probes == {"registry", "prefect", "worker", "model_server"}


def expect_nothing_left(place, settings, server):
    said = place.verb("undeploy", ENV, USE_CASE=NAME, YES="1").text
    assert f"the model server, which answered for {NAME}, was ended" in said
    assert server.post("deployments/filter", {}) == []
    assert services.read_release(settings) is None
    assert "model-server" not in place.verb("status", ENV).text
    tell("make down", place.verb("down", ENV).seconds)
    assert machine.list_processes(place.home) == []
    assert read_count(settings, f"inference.{NAME}_requests") > 0


def ask(settings, path, body, *, expect=200):
    """POST to the model server, as a client with an id of its own."""
    address = f"http://{settings.serving_host}:{settings.serving_port}{path}"
    answer = httpx.post(address, json=body, headers={"X-Request-ID": uuid4().hex}, timeout=120)
    assert answer.status_code == expect, answer.text
    return {"request_id": answer.headers.get("X-Request-ID"), **answer.json()}


def read_health(settings):
    return httpx.get(f"http://{settings.serving_host}:{settings.serving_port}/health", timeout=30).json()


def read_count(settings, table):
    return tables.read(settings, table).select(pl.len()).collect().item()


def tell(what, seconds):
    print(f"{time.strftime('%T')} {what:<50}{seconds:>8.1f} s", flush=True)
