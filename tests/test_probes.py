"""What the probes make of servers that answer, refuse, let everybody in, or are away."""

import base64
import json
import os
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest

from headrace import probes, servers
from headrace import use_case as use_cases
from headrace.decisions import passed
from headrace.lake import runs, tables
from headrace.lake.contracts import load_contract
from headrace.registry import versions
from headrace.registry.client import open_client
from headrace.settings import load_settings

CASE = use_cases.load("flight_delay")
LOGIN = "headrace:secret"
WORKERS = "/api/work_pools/dev-pool/workers/filter"
GOOD = {"/api/admin/version": "3.8.8", WORKERS: [{"name": "dev-host", "status": "ONLINE"}]}


@contextmanager
def serve(answers, *, login=LOGIN):
    """A server that has these answers, as JSON, for whoever logs in; for everybody where `login` is None."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            expected = None if login is None else "Basic " + base64.b64encode(login.encode()).decode()
            status = 401 if expected not in (None, self.headers.get("authorization")) else 200 if self.path in answers else 404
            body = json.dumps(answers.get(self.path)).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def up(settings):
    """The environment's servers are up, as far as its record says."""
    for path, text in ((servers.record_path(settings), json.dumps({"pid": os.getpid()})), (servers.secret_path(settings, "prefect_login"), LOGIN)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return settings


def ask(settings, **changes):
    return {decision.gate: decision for decision in probes.probe(settings.model_copy(update=changes), CASE)}


def test_an_environment_without_servers_is_asked_for_its_registry_only(settings):
    decisions = ask(settings)
    assert list(decisions) == ["registry"]
    assert decisions["registry"].passed


def test_a_registry_is_written_to_and_left_as_it_was(settings):
    open_client(settings.registry_uri).create_experiment("own")
    for _ in range(2):
        assert ask(settings)["registry"].reason == "takes an experiment and deletes it"
    assert versions.PROBE not in {found.name for found in open_client(settings.registry_uri).search_experiments()}


def test_a_registry_that_cannot_be_reached_blocks(settings):
    decision = ask(settings, tracking_uri="http://127.0.0.1:9")["registry"]
    assert not decision.passed
    assert "the registry of dev" in decision.reason


def test_servers_that_answer_as_they_must_pass(up):
    with serve(GOOD) as port:
        decisions = ask(up, prefect_port=port)
    assert list(decisions) == ["registry", "prefect", "worker"]
    assert all(decision.passed for decision in decisions.values()), decisions


@pytest.mark.parametrize(
    ("answers", "login", "gate", "reason"),
    [
        pytest.param(GOOD, "other:login", "prefect", "refuses our login (HTTP 401)", id="another password"),
        pytest.param(GOOD, None, "prefect", "answers without a login", id="authentication is off"),
        pytest.param({"/api/admin/version": "3.8.8"}, LOGIN, "worker", "there is no work pool dev-pool", id="no pool"),
        pytest.param(
            {**GOOD, WORKERS: [{"name": "dev-host", "status": "OFFLINE"}]}, LOGIN, "worker", "no worker of dev-pool is online", id="worker gone"
        ),
        pytest.param({**GOOD, WORKERS: [{"id": 1}]}, LOGIN, "worker", "something else than expected", id="another program's answer"),
    ],
)
def test_servers_that_answer_otherwise_block(up, answers, login, gate, reason):
    with serve(answers, login=login) as port:
        decision = ask(up, prefect_port=port)[gate]
    assert not decision.passed
    assert reason in decision.reason
    assert "secret" not in decision.reason


def test_servers_that_are_away_block(up):
    decisions = ask(up, prefect_port=9)
    assert [decisions[gate].passed for gate in ("prefect", "worker")] == [False, False]
    assert "does not answer (ConnectError)" in decisions["prefect"].reason


def test_a_model_server_is_asked_once_a_commit_is_deployed(up):
    (up.environment_home / "run" / "release.json").write_text(json.dumps({"commit": "0" * 40}))
    assert "does not answer" in ask(up, serving_port=9)["model_server"].reason
    nothing = {"use_case": CASE.name, "status": "unavailable", "problems": ["there is no champion"], "model_version": None}
    with serve({"/health": nothing}, login=None) as port:
        decision = ask(up, serving_port=port)["model_server"]
    assert decision.passed
    assert decision.reason == "is live, and there is no champion to serve yet"


def test_a_model_server_of_another_use_case_is_not_held_against_the_champion_of_this_one(up):
    (up.environment_home / "run" / "release.json").write_text(json.dumps({"commit": "0" * 40}))
    other = {"use_case": "docs_assistant", "status": "unavailable", "problems": ["its index is away"], "model_version": 7}
    with serve({"/health": other}, login=None) as port:
        decision = ask(up, serving_port=port)["model_server"]
    assert decision.passed
    assert decision.reason == "answers for docs_assistant, so nothing of flight_delay is served here"
    with serve({"/health": other}, login=None) as port:
        assert not ask(up, serving_port=port, served_use_case=CASE.name)["model_server"].passed, "this one was chosen, and another answers"


def test_an_upstream_is_read_feed_by_feed(tmp_path):
    staging, prod = (load_settings(name, home=tmp_path, variables={}) for name in ("staging", "prod"))
    staging = staging.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/none.db"})
    assert ask(staging)["upstream"].reason == "prod has ingested nothing yet"
    for feed in CASE.feeds:
        table = CASE.table("bronze", feed)
        rows = pl.DataFrame(schema=load_contract(table).schema)
        tables.append(prod, table, rows, batch_id=f"ingest/flight_delay/{feed}/1")
        decision = ask(staging)["upstream"]
        assert decision.passed == (feed == list(CASE.feeds)[-1]), "some feeds without the others are a broken upstream"
    assert decision.reason == "0 of 6 feeds of prod have rows"
    assert not ask(staging, readable={})["upstream"].passed


def test_an_upstream_feed_of_which_nothing_ever_came_is_no_gap(tmp_path):
    """Nobody has said a word about an answer in prod yet, so it has no table of feedback."""
    staging, prod = (load_settings(name, home=tmp_path, variables={}) for name in ("staging", "prod"))
    staging = staging.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/none.db"})
    table = CASE.table("bronze", "weather")
    tables.append(prod, table, pl.DataFrame(schema=load_contract(table).schema), batch_id="ingest/flight_delay/weather/1")
    assert "prod has no" in ask(staging)["upstream"].reason
    run = runs.begin(prod, CASE.name, "ingest", as_of=datetime(2013, 3, 1, tzinfo=UTC))
    runs.finish(prod, run, passed("ingest", "all came"), counts={}, prefect_run_id="")
    assert ask(staging)["upstream"].reason == "0 of 6 feeds of prod have rows"
