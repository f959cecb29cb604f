"""The real model server with the real small model: it answers, it wants its key, and it ends with whoever started it."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from headrace.errors import GatewayError, ServerError
from headrace.llm import local_server
from headrace.llm.gateway import Gateway
from headrace.llm.model_calls import CallOrigin
from headrace.settings import ROOT, Settings, load_settings
from tests.llm.models import find_model
from tests.test_process import is_alive

pytestmark = pytest.mark.story

MODEL = "smollm2-135m-instruct"
ORIGIN = CallOrigin(use_case="docs_assistant", purpose="answer", request_id="q-1")
ASKED = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    settings = load_settings("dev", home=tmp_path_factory.mktemp("home"), variables={})
    models = {"chat": {"kind": "local", "model": MODEL, "context_tokens": 512}}
    settings = Settings.model_validate({**settings.model_dump(), "language_models": models})
    with Gateway(settings, fetch_model=lambda _, name: find_model(name)) as found:
        yield found


def test_the_small_model_answers_with_tokens_and_times(gateway):
    found = gateway.complete("chat", ASKED, origin=ORIGIN, max_tokens=6)
    assert found.text
    call = found.call
    assert call.input_token_count > 20
    assert call.output_token_count == 6
    assert (call.token_source, call.finish_reason, call.kind, call.cost_usd) == ("server", "length", "local", 0.0)
    assert 0 < call.time_to_first_token_s <= call.latency_s


def test_the_same_question_gets_the_same_answer(gateway):
    first, again = (gateway.complete("chat", ASKED, origin=ORIGIN, max_tokens=6) for _ in range(2))
    assert first.text == again.text
    # What both prompts begin with was computed once.
    assert again.call.cached_token_count > 20


def test_an_answer_follows_its_schema(gateway):
    schema = {"type": "object", "properties": {"known": {"enum": ["yes", "no"]}}, "required": ["known"], "additionalProperties": False}
    found = gateway.complete("chat", ASKED, origin=ORIGIN, max_tokens=24, output_schema=schema)
    assert found.text.replace(" ", "").replace("\n", "") in ('{"known":"yes"}', '{"known":"no"}')


def test_calls_at_once_wait_for_each_other(gateway):
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: gateway.complete("chat", ASKED, origin=ORIGIN, max_tokens=2), range(3)))
    assert len({completion.text for completion in found}) == 1
    assert len({completion.call.call_id for completion in found}) == 3


def test_a_prompt_beyond_the_context_is_told_from_a_wrong_one(gateway):
    with pytest.raises(GatewayError, match=r"exceeds the available context size.*Give fewer or shorter passages") as caught:
        gateway.complete("chat", [{"role": "user", "content": "word " * 600}], origin=ORIGIN, max_tokens=1)
    assert caught.value.calls[0].error_kind == "too_long"


def test_the_server_wants_its_key_and_tells_nothing_of_others(gateway):
    server = next(iter(gateway._endpoints._servers.values()))
    assert server.address.startswith("http://127.0.0.1:")
    assert httpx.post(f"{server.address}/chat/completions", json={"messages": ASKED}).status_code == 401
    key = {"Authorization": f"Bearer {server.api_key}"}
    assert httpx.get(server.address.removesuffix("/v1") + "/slots", headers=key).status_code == 501
    asked_by_a_page = httpx.options(f"{server.address}/chat/completions", headers={"Origin": "https://evil.example"})
    assert asked_by_a_page.headers.get("access-control-allow-origin", "") == ""
    command = subprocess.run(["ps", "-o", "command=", "-p", str(server.process.pid)], capture_output=True, text=True, check=True).stdout
    assert server.api_key not in command + repr(server)


@pytest.mark.long
def test_a_server_that_was_killed_is_started_again_by_the_next_call(gateway):
    gateway.complete("chat", ASKED, origin=ORIGIN, max_tokens=1)
    server = next(iter(gateway._endpoints._servers.values()))
    server.process.kill()
    server.process.wait()
    assert gateway.complete("chat", ASKED, origin=ORIGIN, max_tokens=1).call.attempt_count == 1


@pytest.mark.long
def test_it_ends_with_its_parent_also_when_that_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from headrace.llm import local_server\n"
        f"path, log = Path({str(find_model(MODEL))!r}), Path({str(tmp_path / 'log')!r})\n"
        "with local_server.serve(path, model_name='m', log_path=log, context_tokens=256) as s:\n"
        "    print(s.process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


def test_a_file_that_is_no_model_is_named_with_what_the_server_said(tmp_path):
    wrong = tmp_path / "wrong.gguf"
    wrong.write_text("no model")
    with (
        pytest.raises(ServerError, match=r"local server of m was to answer, and it ended: .*Look at .*log and whether .*wrong.gguf is a GGUF"),
        local_server.serve(wrong, model_name="m", log_path=tmp_path / "log"),
    ):
        pass
