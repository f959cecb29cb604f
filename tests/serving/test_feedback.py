"""Feedback about answers, and the queue of questions for a person, asked in process."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.serving.app import create_app
from headrace.serving.feedback_index import FeedbackIndex
from headrace.serving.feedback_log import COLUMNS, SAID, feedback_folder, fingerprint, read_feedback, read_rows
from headrace.serving.inference_log import InferenceLog, list_segments
from headrace.settings import Settings
from tests.serving.test_app import ASKED_AT, QUICK
from tests.serving.tiny_assistant import ASSISTANT, World, load_chain, say

BRONZE = ASSISTANT.table("bronze", "feedback")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Clock:
    """Tells a minute more each time it is asked."""

    def __init__(self) -> None:
        self.instant = ASKED_AT

    def __call__(self) -> datetime:
        self.instant += timedelta(minutes=1)
        return self.instant


def talk(world: World, script: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Run a script against one server, then end it."""

    async def run() -> Any:
        app = create_app(world.settings, ASSISTANT, find_champion=world.registry.find_champion, clock=Clock(), pace=QUICK, load=load_chain)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await script(client)

    return asyncio.run(run())


async def answer(client: httpx.AsyncClient, question: str = "sort a list in place") -> str:
    """Ask, and return the id of the answer."""
    return str((await client.post(**say(question))).json()["request_id"])


def acknowledged(settings: Settings) -> pl.DataFrame:
    return read_feedback(settings, ASSISTANT, where=pl.lit(True))


def move_to_bronze(settings: Settings) -> None:
    """What `ingest` does with closed segments."""
    for path in list_segments(feedback_folder(settings, ASSISTANT.name)):
        rows = read_rows(path).with_columns(
            pl.lit(ASKED_AT).cast(SYSTEM_COLUMNS["_ingested_at"]).alias("_ingested_at"), _source=pl.lit(path.name), _batch_id=pl.lit(path.name)
        )
        tables.append(settings, BRONZE, rows, batch_id=build_batch_id("ingest", ASSISTANT.name, path.name))
        path.unlink()


def test_the_log_has_the_columns_that_bronze_promises() -> None:
    promised = {name: dtype for name, dtype in load_contract(BRONZE).schema.items() if name not in SYSTEM_COLUMNS}
    assert promised == dict(COLUMNS)


def test_feedback_is_on_disk_when_it_is_acknowledged_and_names_what_made_the_answer(world: World) -> None:
    async def script(client: httpx.AsyncClient) -> tuple[dict[str, Any], pl.DataFrame]:
        request_id = await answer(client)
        body = {"request_id": request_id, "rating": "down", "correction": " Call sort. ", "feedback_id": "mine"}
        told = (await client.post("/feedback", json=body)).json()
        return told, acknowledged(world.settings)

    told, rows = talk(world, script)
    assert (told["feedback_id"], told["is_new"]) == ("mine", True)
    (row,) = rows.to_dicts()
    assert row | {"given_at": None} == {
        "feedback_id": "mine",
        "request_id": f"{told['request_id']}/0",
        "given_at": None,
        "origin": "reader",
        "given_by": None,
        "rating": "down",
        "correction": "Call sort.",
        "section_id": None,
        "is_person_asked": False,
        "model_version": 1,
        "model_id": "model-1",
        "index_version": "12",
        "prompt_version": "3",
    }


def test_feedback_with_the_same_id_is_recorded_once_also_by_the_next_server_and_from_the_lake(world: World) -> None:
    async def first(client: httpx.AsyncClient) -> dict[str, Any]:
        body = {"request_id": await answer(client), "rating": "up", "feedback_id": "mine"}
        replies = await asyncio.gather(*(client.post("/feedback", json=body) for _ in range(3)))
        assert sorted(reply.json()["is_new"] for reply in replies) == [False, False, True]
        return body

    body = talk(world, first)

    async def again(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post("/feedback", json=body), await client.post("/feedback", json=body | {"rating": "down"})]

    for _ in range(2):
        same, other = talk(world, again)
        assert (same.status_code, same.json()["is_new"]) == (200, False)
        assert (other.status_code, other.json()["error"]) == (409, "feedback id 'mine' was used before, in other words; look at what is there")
        move_to_bronze(world.settings)
    assert acknowledged(world.settings)["feedback_id"].to_list() == ["mine"]


def log_ratings(world: World, *feedback_ids: str) -> InferenceLog:
    """A log that somebody writes, with an up for each id."""
    log = InferenceLog(feedback_folder(world.settings, ASSISTANT.name), clock=lambda: ASKED_AT)
    for feedback_id in feedback_ids:
        log.append([rating(feedback_id)]).result(timeout=5)
    return log


def rating(feedback_id: str) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {"feedback_id": feedback_id, "given_at": ASKED_AT.isoformat(), "request_id": "a/0", "rating": "up"}


def test_a_look_reads_only_what_was_logged_since_the_last_one(world: World) -> None:
    index, log = FeedbackIndex(world.settings, ASSISTANT), log_ratings(world, "first", "second")
    told = fingerprint(dict.fromkeys(SAID) | {"request_id": "a/0", "rating": "up"})
    assert [index.find(name) for name in ("first", "second", "third")] == [told, told, None]
    (segment,) = list_segments(feedback_folder(world.settings, ASSISTANT.name))
    with segment.open("r+b") as file:
        # Whoever read this again would stumble over it.
        file.write(b"no JSON")
        file.seek(0, 2)
        file.write(b'[{"half a line')
    assert [index.find(name) for name in ("first", "third")] == [told, None]
    log.close()


def test_feedback_that_another_server_took_is_found_in_the_log_and_in_bronze(world: World) -> None:
    index, logs = FeedbackIndex(world.settings, ASSISTANT), [log_ratings(world, "first"), log_ratings(world, "second")]
    found = [index.find(name) for name in ("first", "second")]
    logs[0].append([rating("third")]).result(timeout=5)
    assert index.find("third") == found[0]
    for log in logs:
        log.close()
    move_to_bronze(world.settings)
    assert [index.find(name) for name in ("first", "second")] == found
    assert index.find("fourth") is None


def test_without_an_id_the_same_said_again_about_the_same_answer_is_one(world: World) -> None:
    async def script(client: httpx.AsyncClient) -> None:
        bodies = [{"request_id": await answer(client), "rating": rating} for rating in ("up", "up", "down")]
        bodies[1] = bodies[0]
        ids = [(await client.post("/feedback", json=body)).json()["feedback_id"] for body in bodies]
        assert ids[0] == ids[1] != ids[2]

    talk(world, script)
    assert acknowledged(world.settings).height == 2


@pytest.mark.parametrize(
    ("said", "status", "sentence"),
    [
        ({"request_id": "nobody", "rating": "up"}, 404, "nobody was given an answer with the request id 'nobody'"),
        ({"rating": None}, 422, "the feedback says nothing; give a rating (up or down), a correction, or ask_person: true"),
        ({"rating": "fine"}, 422, "rating: input should be 'up' or 'down'"),
        ({"correction": "  "}, 422, "correction: string should have at least 1 character"),
        ({"correction": "a" * 4_001}, 422, "correction: string should have at most 4000 characters"),
        ({"ask_person": "yes"}, 422, "ask_person: input should be a valid boolean"),
        ({"rating": "up", "feedback_id": "a/b"}, 422, "feedback_id: string should match"),
    ],
)
def test_feedback_that_cannot_be_used_is_refused_with_a_sentence_and_recorded_nowhere(
    world: World, said: dict[str, Any], status: int, sentence: str
) -> None:
    async def script(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/feedback", json={"request_id": await answer(client), **said})

    response = talk(world, script)
    assert (response.status_code, sentence in response.json()["error"]) == (status, True)
    assert acknowledged(world.settings).is_empty()


def test_feedback_about_an_answer_that_is_in_the_lake_by_now_is_taken(world: World) -> None:
    request_id = talk(world, answer)
    assert list_segments(world.settings.serving_root / ASSISTANT.name / "log") == []

    async def script(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/feedback", json={"request_id": f"{request_id}/0", "ask_person": True})

    assert talk(world, script).status_code == 200


def test_questions_wait_for_a_person_oldest_first_until_one_answers(world: World) -> None:
    async def script(client: httpx.AsyncClient) -> None:
        ids = [await answer(client, question) for question in ("zebras", "sort a list in place", "every key of a dict")]
        for request_id in (ids[1], ids[0], ids[1]):
            await client.post("/feedback", json={"request_id": request_id, "ask_person": True})
        await client.post("/feedback", json={"request_id": ids[2], "rating": "down"})
        waiting = (await client.get("/queue/questions")).json()["questions"]
        assert [row["question"] for row in waiting] == ["sort a list in place", "zebras"]
        assert waiting[0]["reply"]["citations"][0]["section_id"] == "lists#sort"

        said = {"request_id": waiting[0]["request_id"], "answer": "Use sort().", "section_id": "lists#sort", "answered_by": "Ada"}
        assert (await client.post("/queue/answers", json=said)).json()["is_new"]
        assert not (await client.post("/queue/answers", json=said)).json()["is_new"]
        other = await client.post("/queue/answers", json=said | {"answer": "Use sorted().", "answered_by": "Bob"})
        assert (other.status_code, other.json()["error"]) == (
            409,
            "this question was answered by a person before, in other words; look at what is there",
        )
        waiting = (await client.get("/queue/questions")).json()["questions"]
        assert [row["question"] for row in waiting] == ["zebras"]

    talk(world, script)
    (row,) = acknowledged(world.settings).filter(pl.col("origin") == "person").to_dicts()
    assert (row["given_by"], row["correction"], row["section_id"], row["model_version"]) == ("Ada", "Use sort().", "lists#sort", 1)


@pytest.mark.parametrize("url", ["/feedback", "/queue/answers"])
def test_a_page_of_another_address_changes_nothing(world: World, url: str) -> None:
    async def script(client: httpx.AsyncClient) -> httpx.Response:
        body = {"request_id": await answer(client), "rating": "up"}
        return await client.post(url, json=body, headers={"Origin": "http://evil.example"})

    assert talk(world, script).status_code == 403
    assert acknowledged(world.settings).is_empty()


def test_a_reader_cannot_take_the_id_under_which_a_person_answers(world: World) -> None:
    async def script(client: httpx.AsyncClient) -> tuple[int, bool]:
        request_id = await answer(client)
        said = {"request_id": request_id, "rating": "up", "feedback_id": f"answer:{request_id}-0"}
        refused = (await client.post("/feedback", json=said)).status_code
        answered = {"request_id": request_id, "answer": "Use sort().", "answered_by": "Ada"}
        return refused, (await client.post("/queue/answers", json=answered)).json()["is_new"]

    assert talk(world, script) == (422, True)


def test_a_page_of_another_address_has_nothing_predicted(world: World) -> None:
    async def script(client: httpx.AsyncClient) -> list[int]:
        rows = {"rows": [{"question_id": "a", "question": "sort a list in place"}]}
        foreign = {"Origin": "http://evil.example"}
        return [(await client.post("/predict", json=rows, headers=headers)).status_code for headers in (foreign, {})]

    assert talk(world, script) == [403, 200]


def test_a_log_of_feedback_that_cannot_be_written_is_said_by_health_until_it_can(world: World) -> None:
    folder = feedback_folder(world.settings, ASSISTANT.name)

    async def script(client: httpx.AsyncClient) -> list[tuple[int, str, list[str]]]:
        request_id, found = await answer(client), []
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Where the folder should be lies a file: nothing can be written there, whoever asks.
        folder.touch()
        for rating in ("up", "down"):
            sent = await client.post("/feedback", json={"request_id": request_id, "rating": rating})
            health = (await client.get("/health")).json()
            found.append((sent.status_code, health["status"], health["problems"]))
            if folder.is_file():
                folder.unlink()
        return found

    (refused, degraded, problems), (taken, well, none) = talk(world, script)
    assert (refused, degraded, taken, well, none) == (503, "degraded", 200, "ok", [])
    assert len(problems) == 1
    assert problems[0].startswith("feedback: the inference log in ")
    assert "cannot be written" in problems[0]
