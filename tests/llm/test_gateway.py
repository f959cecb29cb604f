"""The gateway against a real HTTP server that fails in every way that one has to expect."""

import logging
import socket
import time
from typing import Any

import pytest

from headrace.errors import GatewayError, ModelError, SettingsError
from headrace.llm import answering, gateway
from headrace.llm.gateway import Gateway, read_identity
from headrace.llm.hub_entries import Policy
from headrace.llm.model_calls import CallOrigin
from headrace.settings import Settings
from tests.llm import chat_server
from tests.llm.chat_server import answer, part, run, silence, status, stream

ASKED = [{"role": "user", "content": "What is a headrace?"}]
ORIGIN = CallOrigin(use_case="docs_assistant", purpose="answer", request_id="q-1", prompt="dev.docs_assistant.answer", prompt_version=2)
KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("CHAT_KEY", KEY)
    monkeypatch.setattr(answering, "_FIRST_PAUSE_SECONDS", 0.01)


def declare(settings: Settings, address: str, **entry: Any) -> Settings:
    return declare_all(settings, chat={"address": address, **entry})


def declare_all(settings: Settings, **entries: dict[str, Any]) -> Settings:
    models = {alias: {"kind": "openai", "model": "small", "api_key": "env:CHAT_KEY", **entry} for alias, entry in entries.items()}
    return Settings.model_validate({**settings.model_dump(), "language_models": models})


def ask(settings: Settings, **changes: Any):
    with Gateway(settings) as gateway:
        return gateway.complete("chat", ASKED, origin=ORIGIN, **{"max_tokens": 16} | changes)


def expect_error(settings: Settings, match: str) -> GatewayError:
    with pytest.raises(GatewayError, match=match) as caught:
        ask(settings)
    return caught.value


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_answer_comes_with_its_tokens_times_and_cost(settings):
    with run(answer("Water ", "comes.")) as server:
        prices = {"input_price_usd_per_million": 2.0, "output_price_usd_per_million": 10.0}
        found = ask(declare(settings, server.address, **prices), stop=["\n\n"])
    assert found.text == "Water comes."
    call = found.call
    assert (call.input_token_count, call.cached_token_count, call.output_token_count, call.token_source) == (7, 3, 2, "server")
    assert call.cost_usd == pytest.approx((7 * 2 + 2 * 10) / 1e6)
    assert 0 < call.time_to_first_token_s <= call.latency_s
    assert (call.status, call.finish_reason, call.http_status, call.attempt_count, call.served_model) == ("answered", "stop", 200, 1, "served-1")
    assert (call.request_id, call.prompt, call.prompt_version) == ("q-1", "dev.docs_assistant.answer", 2)
    assert server.paths == ["/v1/chat/completions"]
    assert server.keys == [f"Bearer {KEY}"]
    sent = server.bodies[0]
    assert (sent["model"], sent["messages"], sent["max_tokens"], sent["stop"], sent["temperature"]) == ("small", ASKED, 16, ["\n\n"], 0.0)


def test_a_request_has_the_fields_that_its_entry_changes(settings):
    with run(answer("x")) as server:
        ask(declare(settings, server.address, max_tokens_field="max_completion_tokens", request={"temperature": None, "seed": 7}))
    sent = server.bodies[0]
    assert sent["max_completion_tokens"] == 16
    assert sent["seed"] == 7
    assert not {"max_tokens", "temperature", "stop"} & set(sent)


def test_a_schema_is_handed_over(settings):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    with run(answer("{}")) as server:
        ask(declare(settings, server.address), output_schema=schema)
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == schema


def test_a_server_that_does_not_stream_is_understood(settings):
    body = {"choices": [{"message": {"content": "All at once."}, "finish_reason": "stop"}], "usage": chat_server.USAGE}
    with run(status(200, body)) as server:
        found = ask(declare(settings, server.address))
    assert (found.text, found.call.output_token_count) == ("All at once.", 2)


def test_characters_cut_between_two_packets_come_whole(settings):
    event = b'data: {"choices": [{"delta": {"content": "M\xc3\xbchle\\u2028x"}, "finish_reason": "stop"}]}\r\n\r\n'
    cut = event.index(b"\xbc")
    with run(stream(event[:cut], event[cut:-2], event[-2:], pause_s=0.02)) as server:
        assert ask(declare(settings, server.address)).text == "Mühle\u2028x"


def test_tokens_that_no_server_counts_are_counted_here_or_stay_unknown(settings):
    with run(answer("one two", usage=None)) as server:
        entry = declare(settings, server.address, input_price_usd_per_million=1.0, output_price_usd_per_million=1.0)
        unknown = ask(entry).call
        with Gateway(entry, count_tokens=lambda text: len(text.split())) as gateway:
            counted = gateway.complete("chat", ASKED, origin=ORIGIN, max_tokens=16).call
    assert (unknown.token_source, unknown.input_token_count, unknown.cost_usd) == ("none", None, None)
    assert (counted.token_source, counted.input_token_count, counted.output_token_count) == ("tokenizer", 4, 2)


def test_a_cost_without_a_price_is_unknown_and_not_nothing(settings):
    with run(answer("x")) as server:
        assert ask(declare(settings, server.address)).call.cost_usd is None


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_what_was_not_begun_is_tried_again(settings, code):
    with run(status(code), answer("late")) as server:
        found = ask(declare(settings, server.address))
    assert (found.text, found.call.attempt_count, len(server.bodies)) == ("late", 2, 2)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (status(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), "refused"),
        (status(404, {"error": {"message": "no such model"}}), "request"),
        (status(400, {"error": {"code": "context_length_exceeded", "message": "too long"}}), "too_long"),
        (status(429, {"error": {"code": "insufficient_quota", "message": "pay"}}), "quota"),
        (status(500, b"<html>"), "server_error"),
        (status(307, Location="http://127.0.0.1:1/"), "request"),
        (status(200, b"<html>hello</html>"), "malformed"),
        (status(200, {"hello": "world"}), "malformed"),
        (stream(b"data: {broken\n\n"), "malformed"),
        (stream({"error": {"message": "out of memory"}}), "server_error"),
        (stream(is_done=False), "broken"),
        (stream(part("half"), is_done=False), "broken"),
        (stream(b"data: " + b"x" * 2_000_000), "malformed"),
    ],
)
def test_what_was_begun_or_refused_is_not_tried_again(settings, reply, kind):
    with run(reply, answer("never")) as server:
        error = expect_error(
            declare(settings, server.address), match=r"language model 'chat' \(small, http://127.0.0.1:.*after 1 attempt came .*\. [A-Z]"
        )
    assert len(server.bodies) == 1
    assert [(call.status, call.error_kind) for call in error.calls] == [("failed", kind)]


@pytest.mark.parametrize(
    ("reply", "match"),
    [
        (status(404), r"came HTTP 404. See that its address is right \(a chat schema usually begins at /v1\)"),
        (status(307, Location="http://127.0.0.1:1/"), "came HTTP 307 to another address, which is not followed. See that its address is right"),
    ],
)
def test_an_address_that_is_not_quite_right_is_said_to_be_so(settings, reply, match):
    with run(reply) as server:
        expect_error(declare(settings, server.address), match=match)


def test_attempts_are_bounded_and_the_error_says_how_many(settings):
    with run(status(503, {"error": {"message": "loading"}})) as server:
        error = expect_error(declare(settings, server.address, attempts=4), match=r"after 4 attempts came HTTP 503 \(loading\). Wait and call again")
    assert len(server.bodies) == 4
    assert (error.calls[0].error_kind, error.calls[0].attempt_count, error.calls[0].cost_usd) == ("unavailable", 4, 0.0)


def test_a_server_is_left_alone_as_long_as_it_asks(settings):
    with run(status(429, Retry_After="1"), answer("x")) as server:
        begin = time.monotonic()
        ask(declare(settings, server.address))
        assert time.monotonic() - begin >= 1


def test_a_wait_longer_than_the_time_left_is_not_begun(settings):
    with run(status(429, Retry_After="3600"), answer("x")) as server:
        begin = time.monotonic()
        expect_error(declare(settings, server.address), match="HTTP 429 with the wish to be left alone for 3600 s. Wait and call again")
        assert time.monotonic() - begin < 5


def test_pauses_double_with_jitter_and_never_undercut_the_server():
    first = [answering.compute_pause_s(1, retry_after_s=None) for _ in range(20)]
    third = [answering.compute_pause_s(3, retry_after_s=None) for _ in range(20)]
    assert len(set(first)) > 1
    assert max(first) < min(third) * 2
    assert answering.compute_pause_s(1, retry_after_s=9.0) == 9.0
    assert answering.compute_pause_s(10_000, retry_after_s=None) <= 30


def test_nothing_listening_is_tried_again_and_said(settings):
    error = expect_error(declare(settings, f"http://127.0.0.1:{closed_port()}", attempts=2), match="after 2 attempts came no connection .*refused")
    assert error.calls[0].error_kind == "connection"


def test_a_first_token_that_does_not_come_in_time_ends_the_call_without_another(settings):
    with run(silence(2.0), answer("never")) as server:
        error = expect_error(
            declare(settings, server.address, first_token_timeout_s=0.2), match="silence for too long.*Raise `first_token_timeout_s`"
        )
    assert len(server.bodies) == 1
    assert error.calls[0].error_kind == "timeout"
    assert error.calls[0].cost_usd is None


def test_comments_that_keep_a_line_open_are_no_token(settings):
    with run(stream(*[b": ping\n\n"] * 40, part("late", end="stop"), pause_s=0.05)) as server:
        error = expect_error(declare(settings, server.address, first_token_timeout_s=0.3), match="no token after 0.3 s")
    assert error.calls[0].error_kind == "timeout"


def test_an_answer_that_drips_for_ever_ends_with_its_time(settings):
    with run(stream(*map(part, "x" * 100), pause_s=0.05)) as server:
        error = expect_error(declare(settings, server.address, timeout_s=0.4), match="no end after 0.4 s")
    assert error.calls[0].time_to_first_token_s < 0.4


def test_a_fallback_answers_where_the_asked_alias_does_not(settings):
    with run(status(503)) as broken, run(answer("Other.")) as sound:
        entries = declare_all(settings, chat={"address": broken.address, "attempts": 1, "fallbacks": ["other"]}, other={"address": sound.address})
        found = ask(entries)
    assert found.text == "Other."
    assert [(call.asked_alias, call.alias, call.status) for call in found.calls] == [("chat", "chat", "failed"), ("chat", "other", "answered")]


def test_when_no_fallback_answers_each_is_named(settings):
    with run(status(503)) as server:
        entries = declare_all(settings, chat={"address": server.address, "attempts": 1, "fallbacks": ["other"]}, other={"address": server.address})
        error = expect_error(entries, match=r"'chat' .*\. Then language model 'other'")
    assert len(error.calls) == 2


def test_an_answer_that_breaks_after_its_first_part_is_not_begun_again_there(settings):
    with run(stream(part("half"), is_done=False)) as server:
        error = expect_error(declare(settings, server.address, attempts=3), "the stream ended before the answer did")
    assert len(server.bodies) == 1
    assert [call.status for call in error.calls] == ["failed"]


def test_an_answer_stays_whole_when_the_line_breaks_behind_it(settings):
    with run(stream(part("whole"), part(end="stop"), b"data: {brok", is_done=False)) as server:
        assert ask(declare(settings, server.address)).text == "whole"


def test_an_empty_answer_is_an_answer(settings):
    with run(answer()) as server:
        found = ask(declare(settings, server.address))
    assert (found.text, found.call.time_to_first_token_s, found.call.status) == ("", None, "answered")


def test_an_alias_that_is_not_declared_is_refused_with_those_that_are(settings):
    with Gateway(declare(settings, "http://127.0.0.1:1")) as gateway, pytest.raises(SettingsError, match="no language model 'judge'; known: chat"):
        gateway.complete("judge", ASKED, origin=ORIGIN, max_tokens=1)


def test_the_key_is_in_no_error_no_log_and_no_row(settings, caplog):
    caplog.set_level(logging.DEBUG)
    echo = status(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with run(echo) as server:
        error = expect_error(declare(settings, server.address), match=r"Incorrect API key provided: \*\*\*")
    told = [str(error), repr(error), repr(error.calls), repr(error.__cause__), repr(declare(settings, server.address)), caplog.text]
    assert [text for text in told if KEY in text] == []
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("key", ["sk-secret\nX-Other: 1", "sk secret", "schlüssel"])
def test_a_key_that_no_header_takes_is_refused_without_being_shown(settings, monkeypatch, key):
    monkeypatch.setenv("CHAT_KEY", key)
    error = expect_error(
        declare(settings, "http://127.0.0.1:1"), match=r"cannot be called: the key of language model 'chat' \(env:CHAT_KEY\) holds a space"
    )
    assert key not in str(error)
    assert error.calls[0].error_kind == "setup"


def test_a_key_that_is_not_set_is_named(settings, monkeypatch):
    monkeypatch.delenv("CHAT_KEY")
    expect_error(declare(settings, "http://127.0.0.1:1"), match="the variable CHAT_KEY is not set")


def test_what_an_alias_stands_for_can_be_pinned(settings):
    local = read_identity(settings, "chat")
    assert (local.kind, local.address, len(local.sha256)) == ("local", None, 64)
    remote = read_identity(declare(settings, "https://models.example/v1"), "chat")
    assert (remote.kind, remote.model, remote.address, remote.sha256) == ("openai", "small", "https://models.example/v1", None)


def test_a_model_whose_licence_is_not_allowed_is_pinned_by_no_chain(settings, monkeypatch):
    monkeypatch.setattr(gateway, "load_policy", lambda: Policy(allowed_licences=("MIT",)))
    with pytest.raises(ModelError, match=r"has the licence Apache-2\.0, and model_hub/policy\.yaml allows only MIT"):
        read_identity(settings, "chat")
