import asyncio
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import ServingError
from headrace.models.kinds import load_kind
from headrace.serving.drain import drain
from headrace.serving.inference_log import InferenceLog, log_folder
from headrace.serving.replies import RepeatedIdError, Replies, Rows, read_reply
from headrace.serving.request_rows import build_frame
from headrace.settings import Settings
from tests.serving.tiny import NOON, TINY, logged_rows, tiny_settings


class Answers:
    """Answers that are counted: each one differs from the last."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> Rows:
        self.count += 1
        count = self.count
        await asyncio.sleep(0.01)
        return logged_rows("a", probability=count / 10)


class Failing:
    async def __call__(self) -> Rows:
        raise ServingError("the disk is full")


BINARY = load_kind("binary")


def test_a_repeat_gets_the_first_reply_also_while_it_is_computed() -> None:
    async def ask() -> None:
        replies, answers = Replies(), Answers()
        together = await asyncio.gather(*(replies.answer_once("a", ["x"], answers) for _ in range(3)))
        later = await replies.answer_once("a", ["x"], answers)
        assert all(reply == later for reply in together)
        assert answers.count == 1

    asyncio.run(ask())


def test_an_id_that_was_used_for_other_rows_is_refused() -> None:
    async def ask() -> None:
        replies = Replies()
        await replies.answer_once("a", ["x"], Answers())
        with pytest.raises(RepeatedIdError, match="request id 'a' was used before for other rows"):
            await replies.answer_once("a", ["y"], Answers())

    asyncio.run(ask())


def test_a_failure_is_not_remembered() -> None:
    async def ask() -> None:
        replies, answers = Replies(), Answers()
        with pytest.raises(ServingError, match="disk is full"):
            await replies.answer_once("a", ["x"], Failing())
        await replies.answer_once("a", ["y"], answers)
        assert answers.count == 1

    asyncio.run(ask())


def test_a_caller_who_hangs_up_does_not_take_the_reply_from_another() -> None:
    async def ask() -> None:
        replies, answers = Replies(), Answers()
        first = asyncio.create_task(replies.answer_once("a", ["x"], answers))
        await asyncio.sleep(0)
        first.cancel()
        assert await replies.answer_once("a", ["x"], answers)
        assert answers.count == 1

    asyncio.run(ask())


def test_the_oldest_replies_are_forgotten_first() -> None:
    async def ask() -> None:
        replies, answers = Replies(max_rows=2), Answers()
        for request_id in ("a", "b", "c"):
            await replies.answer_once(request_id, ["x"], answers)
        await replies.answer_once("c", ["x"], answers)
        assert answers.count == 3
        await replies.answer_once("a", ["x"], answers)
        assert answers.count == 4

    asyncio.run(ask())


def drain_requests(settings: Settings, *requests: list[dict[str, Any]]) -> None:
    log = InferenceLog(log_folder(settings, "tiny"), clock=lambda: NOON)
    for rows in requests:
        log.append(rows).result(timeout=5)
    log.close()
    drain(settings, TINY)


def test_a_reply_of_an_earlier_server_is_found_in_the_lake(tmp_path: Path) -> None:
    settings, told = tiny_settings(tmp_path), logged_rows("a", count=12)
    text = told[0]["request"]
    assert read_reply(settings, TINY, request_id="a", requests=[text] * 12) is None
    drain_requests(settings, logged_rows("a-", count=1), told, logged_rows("ab", count=1))
    found = read_reply(settings, TINY, request_id="a", requests=[text] * 12)
    assert found is not None
    assert build_frame([found], BINARY).equals(build_frame([told], BINARY))
    assert read_reply(settings, TINY, request_id="b", requests=[text]) is None


@pytest.mark.parametrize("requests", [['{"shop":"south"}'], ['{"shop":"north"}'] * 2])
def test_an_id_that_an_earlier_server_saw_with_other_rows_is_refused(tmp_path: Path, requests: list[str]) -> None:
    settings = tiny_settings(tmp_path)
    drain_requests(settings, logged_rows("a"))
    with pytest.raises(RepeatedIdError, match="used before for other rows"):
        read_reply(settings, TINY, request_id="a", requests=requests)
