"""The routes of an assistant, asked in process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from headrace.lake import tables
from headrace.models.kinds.assistant import ANSWER, CONFIDENCE, DOES_NOT_KNOW, QUOTATIONS, WORDING
from headrace.serving.app import create_app
from headrace.serving.browsers import PAGE_HEADERS
from headrace.serving.chat_pages import ASSETS
from headrace.serving.chat_schema import build_chat_reply, format_event, split_words
from headrace.serving.request_rows import requests_table
from tests.serving.test_app import ASKED_AT, QUICK
from tests.serving.tiny_assistant import ASKED, ASSISTANT, MARKUP, World, load_chain, say


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(world.settings, ASSISTANT, find_champion=world.registry.find_champion, clock=lambda: ASKED_AT, pace=QUICK, load=load_chain)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


def ask(world: World, *requests: dict[str, Any]) -> list[httpx.Response]:
    """Send requests one after the other to one server, then end it."""

    async def send() -> list[httpx.Response]:
        async with served(world) as client:
            return [await client.request(**{"method": "POST", **request}) for request in requests]

    return asyncio.run(send())


def stored(world: World) -> pl.DataFrame:
    return tables.read(world.settings, requests_table(ASSISTANT.name)).collect().sort("request_id")


def events(text: str) -> list[tuple[str, Any]]:
    """Server-sent events: name and data of each."""
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def chunks(text: str) -> list[Any]:
    """The data of OpenAI's chunks; the last one is no JSON."""
    lines = [line.removeprefix("data: ") for line in text.strip().split("\n\n")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_an_event_is_one_line_of_data_whatever_a_document_holds():
    said = {"text": "a\u2028b\x85c\nd\r\x0b \U0001f600"}
    name, data, end = format_event(said, name="delta").split("\n", 2)
    assert (name, json.loads(data.removeprefix("data: ")), end) == ("event: delta", said, "\n")
    assert len(format_event(said).splitlines()) == 2


def test_a_section_is_cited_with_the_whole_name_of_its_file() -> None:
    quoted = {"section_id": "C# guide.md#hours", "heading_path": "Hours", "text": "Nine."}
    row = {"request_id": "r/0", ANSWER: "Nine.", CONFIDENCE: 0.9, QUOTATIONS: json.dumps([quoted]), WORDING: None, "model_version": 1}
    assert build_chat_reply(row).citations[0].document_id == "C# guide.md"


def test_an_answer_quotes_with_numbered_citations_and_is_in_the_table_as_it_was_given(world: World) -> None:
    (response,) = ask(world, say(conversation_id="talk"))
    reply = response.json()
    assert response.status_code == 200
    assert response.headers["X-Request-ID"] == reply["request_id"]
    assert reply["is_answered"]
    assert reply["citations"][0] == {
        "number": 1,
        "section_id": "lists#sort",
        "document_id": "lists",
        "heading_path": "Lists > Sorting",
        "quotation": "Lists have a sort method. It sorts the list in place.",
    }
    (row,) = stored(world).to_dicts()
    assert row["request_id"] == f"{reply['request_id']}/0"
    assert json.loads(row["request"]) == {"question_id": f"talk/{reply['request_id']}", "question": ASKED}
    assert (row["answer"], row["confidence_fraction"], row["model_version"]) == (reply["answer"], reply["confidence_fraction"], 1)
    assert [quoted["text"] for quoted in json.loads(row["quotations"])] == [cited["quotation"] for cited in reply["citations"]]
    assert json.loads(row["pinned_versions"]) == {"index": "12", "prompt": "3"}
    assert (row["guardrail_hits"], row["latency_ms"] > 0, 0 < row["first_score"] <= 1) == ("[]", True, True)


def test_what_the_documents_do_not_say_is_said_so_and_cites_nothing(world: World) -> None:
    (response,) = ask(world, say("zebras"))
    assert response.json() | {"request_id": ""} == {
        "request_id": "",
        "answer": DOES_NOT_KNOW,
        "is_answered": False,
        "confidence_fraction": 0.0,
        "citations": [],
        "model_version": 1,
        "words": None,
    }


def test_predict_answers_an_assistant_like_every_use_case(world: World) -> None:
    (response,) = ask(
        world, {"url": "/predict", "json": {"rows": [{"question_id": "a", "question": ASKED}, {"question_id": "b", "question": "zebras"}]}}
    )
    predictions = response.json()["predictions"]
    assert json.loads(predictions[0]["cited_sections"])[0] == "lists#sort"
    assert predictions[1]["answer"] == DOES_NOT_KNOW
    assert stored(world).height == 2


def test_the_same_request_id_gives_the_same_answer_and_one_row_and_no_other_question(world: World) -> None:
    same = say() | {"headers": {"X-Request-ID": "again"}}
    first, second = ask(world, same, same)
    third, other = ask(world, same, say("zebras") | {"headers": {"X-Request-ID": "again"}})
    assert first.json() == second.json() == third.json()
    assert other.status_code == 409
    assert stored(world).height == 1


def test_a_stream_is_the_answer_in_words_and_ends_with_the_request_id(world: World) -> None:
    plain, streamed = ask(world, say(), say() | {"headers": {"Accept": "text/event-stream"}})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    found = events(streamed.text)
    assert "".join(data["text"] for name, data in found if name == "delta") == plain.json()["answer"]
    assert [data for name, data in found if name == "citation"] == plain.json()["citations"]
    assert found[-1] == ("done", plain.json() | {"request_id": streamed.headers["X-Request-ID"]})
    assert stored(world).height == 2


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\n\nc ", "one two"])
def test_words_of_a_stream_are_the_text(text: str) -> None:
    assert "".join(split_words(text)) == text


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        pytest.param({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "the body is not JSON", id="no JSON"),
        pytest.param({"content": b"question=a"}, 415, "send it with Content-Type: application/json", id="a form"),
        pytest.param({"json": {}}, 422, "question is missing", id="no question"),
        pytest.param({"json": {"question": " \n "}}, 422, "question: string should have at least 1 character", id="blank question"),
        pytest.param({"json": {"question": "a" * 2_001}}, 422, "question: string should have at most 2000 characters", id="long question"),
        pytest.param({"json": {"question": 1}}, 422, "question: input should be a valid string", id="a number"),
        pytest.param({"json": {"question": "a", "model": "b"}}, 422, "model is unknown here", id="unknown field"),
        pytest.param(
            {"json": {"question": "a", "conversation_id": "../x"}}, 422, "conversation_id: string should match", id="conversation with a path"
        ),
        pytest.param({"json": {"question": "a"}, "headers": {"X-Request-ID": "a b"}}, 400, "X-Request-ID must be 1 to 64", id="request id"),
        pytest.param({"json": {"question": "a"}, "headers": {"Origin": "http://evil.example"}}, 403, "a page of another address", id="foreign page"),
        pytest.param({"json": {"question": "a"}, "headers": {"Origin": "null"}}, 403, "a page of another address", id="page without origin"),
        pytest.param({"json": {"question": "a"}, "headers": {"Origin": "http://[::1"}}, 403, "a page of another address", id="half an origin"),
        pytest.param({"json": {"question": "a"}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "a page of another address", id="other site"),
        pytest.param(
            {"json": {"question": "a"}, "headers": {"Origin": "http://evil.example:8000", "Host": "evil.example:8000"}},
            403,
            "this server is not called 'evil.example'",
            id="another name for the server",
        ),
    ],
)
def test_bad_questions_are_refused_with_a_sentence_and_logged_nowhere(world: World, request_: dict[str, Any], status: int, sentence: str) -> None:
    (response,) = ask(world, {"url": "/chat", **request_})
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert sentence in response.json()["error"]
    assert tables.read_version(world.settings, requests_table(ASSISTANT.name)) is None


def test_the_servers_own_page_may_ask(world: World) -> None:
    (response,) = ask(world, say() | {"headers": {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}})
    assert response.status_code == 200


def test_without_a_champion_a_question_is_503_and_says_why(world: World) -> None:
    world.registry.clear()
    response, completion = ask(world, say(), complete())
    assert response.status_code == completion.status_code == 503
    assert "no champion of docs_assistant can be served" in response.json()["error"]
    assert completion.json()["error"]["type"] == "server_error"


def complete(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A request to `/v1/chat/completions`."""
    said = messages or ({"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED})
    return {"url": "/v1/chat/completions", "json": {"model": ASSISTANT.name, "messages": list(said), "temperature": 0, **more}}


def test_a_model_is_told_by_its_name_and_another_is_none(world: World) -> None:
    listed, named, other = ask(world, *({"method": "GET", "url": f"/v1/models{name}"} for name in ("", f"/{ASSISTANT.name}", "/gpt")))
    assert named.json() == listed.json()["data"][0]
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    assert other.json()["error"]["message"].startswith("there is no model 'gpt' here; there is docs_assistant")


def test_openais_clients_get_an_answer_in_their_shape_with_citations_beside_it(world: World) -> None:
    plain, response, models = ask(world, say(), complete(), {"method": "GET", "url": "/v1/models"})
    completion = response.json()
    assert (completion["object"], completion["model"]) == ("chat.completion", "docs_assistant")
    (choice,) = completion["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"] == {"role": "assistant", "content": plain.json()["answer"], "refusal": None}
    assert completion["usage"]["prompt_tokens"] == 3 + 9
    assert completion["usage"]["total_tokens"] == completion["usage"]["prompt_tokens"] + completion["usage"]["completion_tokens"]
    assert completion["citations"] == plain.json()["citations"]
    assert [model["id"] for model in models.json()["data"]] == ["docs_assistant", "docs_assistant-in-words"]
    assert f"{completion['id']}/0" in stored(world)["request_id"].to_list()


def test_openais_stream_is_the_answer_in_chunks_and_says_when_it_is_done(world: World) -> None:
    plain, response = ask(world, complete(), complete(stream=True, stream_options={"include_usage": True}))
    found = chunks(response.text)
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
    assert {chunk["id"] for chunk in found} == {response.headers["X-Request-ID"]}
    said = [chunk["choices"][0]["delta"].get("content", "") for chunk in found if chunk["choices"]]
    assert "".join(said) == plain.json()["choices"][0]["message"]["content"]
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert found[-2]["citations"] == plain.json()["citations"]
    assert (found[-1]["choices"], found[-1]["usage"]) == ([], plain.json()["usage"])


def test_the_last_words_of_the_user_are_the_question(world: World) -> None:
    user = {"role": "user", "content": [{"type": "text", "text": "every key"}, {"type": "text", "text": "of a dict"}]}
    (response,) = ask(world, complete({"role": "user", "content": "zebras"}, {"role": "assistant", "content": "I do not know."}, user))
    assert response.json()["citations"][0]["section_id"] == "dicts#keys"


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        pytest.param({"json": {"model": "gpt-4", "messages": [{"role": "user", "content": "a"}]}}, 404, "there is no model 'gpt-4' here", id="model"),
        pytest.param(complete({"role": "system", "content": "a"}), 422, "no message has the role user", id="no user"),
        pytest.param(complete({"role": "user", "content": [{"type": "image_url"}]}), 422, "only text can be asked", id="a picture"),
        pytest.param(complete({"role": "user", "content": ""}), 422, "the question has 0 characters", id="empty"),
        pytest.param(complete(n=2), 422, "n: input should be 1", id="several answers"),
        pytest.param({"json": {"messages": []}}, 422, "model is missing", id="no model"),
        pytest.param({"url": "/v1/embeddings", "json": {}}, 404, "POST /v1/embeddings is not answered here", id="other route"),
    ],
)
def test_openais_clients_are_refused_in_their_shape(world: World, request_: dict[str, Any], status: int, sentence: str) -> None:
    (response,) = ask(world, {"url": "/v1/chat/completions", **request_})
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert sentence in response.json()["error"]["message"]


def test_pages_load_nothing_from_elsewhere_and_may_run_no_other_script(world: World) -> None:
    pages = ask(world, *({"method": "GET", "url": url} for url in ("/", "/queue", *(f"/assets/{name}" for name in ASSETS))))
    for page in pages:
        assert page.status_code == 200
        assert page.headers.items() >= {(name.lower(), value) for name, value in PAGE_HEADERS.items()}
        # The name of SVG's vocabulary looks like an address, and is none.
        text = page.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in page.text
    assert "unsafe" not in PAGE_HEADERS["Content-Security-Policy"]
    assert "<h1>Questions about Python</h1>" in pages[0].text


def test_pages_are_shown_under_the_servers_own_name_only_and_no_other_file_is(world: World) -> None:
    elsewhere = {"Host": "evil.example"}
    shown = ask(
        world,
        *(
            {"method": "GET", "url": url, "headers": elsewhere}
            for url in ("/", "/queue", "/queue/questions", "/v1/models", f"/v1/models/{ASSISTANT.name}")
        ),
        {"method": "GET", "url": "/assets/..%2Fchat.py"},
    )
    assert [page.status_code for page in shown] == [403, 403, 403, 403, 403, 404]


def test_openapi_describes_the_routes_of_an_assistant_in_its_old_words(world: World) -> None:
    (response,) = ask(world, {"method": "GET", "url": "/openapi.json"})
    described = response.json()
    assert {"/chat", "/feedback", "/queue/answers", "/queue/questions", "/v1/chat/completions", "/v1/models"} <= set(described["paths"])
    assert '"null"' not in json.dumps(described)


def test_markup_in_a_document_is_quoted_as_text(world: World) -> None:
    (response,) = ask(world, say("what does the script say?"))
    assert response.headers["content-type"] == "application/json"
    assert response.json()["citations"][0]["quotation"] in MARKUP
