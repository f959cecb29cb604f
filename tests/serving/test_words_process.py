"""Answers in a model's words by real processes: another server's model, the small model of this machine, and what a kill leaves."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from headrace.lake import tables
from headrace.llm.model_calls import TABLE
from headrace.serving.drain import drain
from headrace.serving.request_rows import requests_table
from headrace.serving.words import AWAY
from headrace.settings import load_settings
from tests.llm.chat_server import run_process
from tests.llm.models import find_model
from tests.serving.assistant_server import AssistantServer, running
from tests.serving.tiny_assistant import ASKED, ASSISTANT

pytestmark = pytest.mark.long

GROUNDED = "It sorts the list in place. [1]"


def ask(server: AssistantServer, request_id: str, **more: Any) -> dict[str, Any]:
    body = {"question": ASKED, "words": True, **more}
    reply: dict[str, Any] = httpx.post(f"{server.url}/chat", json=body, headers={"X-Request-ID": request_id}, timeout=300).json()
    return reply


def read(server: AssistantServer, table: str) -> pl.DataFrame:
    return tables.read(server.settings, table).collect().sort("request_id")


def test_a_model_behind_an_address_words_answers_and_its_end_leaves_quotations_and_each_call_a_row(tmp_path: Path) -> None:
    with run_process(GROUNDED) as (address, model), running(tmp_path, {"kind": "openai", "model": "other", "address": address}) as server:
        assert ask(server, "a")["answer"] == GROUNDED
        model.kill()
        model.wait()
        away = ask(server, "b")
        assert (away["is_answered"], away["words"]["is_shown"], away["words"]["reason"]) == (True, False, AWAY)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=60)
        assert read(server, requests_table(ASSISTANT.name))["request_id"].to_list() == ["a/0", "b/0"]
        calls = read(server, TABLE)
        assert calls.select("request_id", "status", "model").rows() == [("a/0", "answered", "other"), ("b/0", "failed", "other")]


def test_a_server_that_is_killed_while_a_model_speaks_told_nothing_and_answers_again(tmp_path: Path) -> None:
    with run_process(GROUNDED, pause_s=0.3) as (address, _), running(tmp_path, {"kind": "openai", "model": "other", "address": address}) as server:
        told: list[dict[str, Any]] = []

        def wait() -> None:
            try:
                told.append(ask(server, "killed"))
            except httpx.TransportError:
                return

        reader = threading.Thread(target=wait)
        reader.start()
        time.sleep(1.0)
        server.kill()
        reader.join()
        assert told == []
        server.start()
        for _ in range(2):
            assert ask(server, "killed")["answer"] == GROUNDED
        server.kill()
        for _ in range(2):
            drain(server.settings, ASSISTANT)
        assert read(server, requests_table(ASSISTANT.name))["request_id"].to_list() == ["killed/0"]
        assert read(server, TABLE)["request_id"].to_list() == ["killed/0"]


def test_the_small_model_of_this_machine_is_asked_and_what_it_took_is_a_row(tmp_path: Path) -> None:
    find_model("smollm2-135m-instruct")
    model = {"kind": "local", "model": "smollm2-135m-instruct"}
    with running(tmp_path, model) as server:
        server.kill()
        server.changes |= {"models_root": str(load_settings("dev", variables={}).models), "serving_words_timeout_s": 200.0}
        server.start()
        reply = ask(server, "small")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=60)
    (call,) = read(server, TABLE).to_dicts()
    assert (call["request_id"], call["kind"], call["status"], call["cost_usd"]) == ("small/0", "local", "answered", 0.0)
    assert call["input_token_count"] > 50
    assert 0 < call["time_to_first_token_s"] <= call["latency_s"]
    assert reply["is_answered"]
    # Whether its words stand is its own affair; what is shown is either those or the quotations.
    (row,) = read(server, requests_table(ASSISTANT.name)).to_dicts()
    assert row["answer"] == reply["answer"]
    assert (reply["answer"] == json.loads(row["wording"])["said"].strip()) == reply["words"]["is_shown"]
