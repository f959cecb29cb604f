import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from headrace.errors import ServingError
from headrace.serving.drain import drain
from headrace.serving.inference_log import InferenceLog, log_folder
from headrace.serving.replies import Replies, Rows, read_replies
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
        with pytest.raises(ValueError, match="request id 'a' was used before for other rows"):
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


def test_replies_of_earlier_servers_are_read_from_lake_and_log(tmp_path: Path) -> None:
    """One reply is drained, one is not, one is too old, and one id has two, of which the drained one counts."""
    settings = tiny_settings(tmp_path)
    old = logged_rows("old", instant=NOON - timedelta(hours=2))
    for batch in ([old, logged_rows("drained", count=12), logged_rows("twice", probability=0.1)], [logged_rows("logged"), logged_rows("twice", probability=0.2)]):
        drain(settings, TINY)
        log = InferenceLog(log_folder(settings, "tiny"), clock=lambda: NOON)
        for rows in batch:
            log.append(rows).result(timeout=5)
        log.close()

    async def ask() -> None:
        replies, answers = Replies(), Answers()
        replies.restore(read_replies(settings, TINY, since=NOON - timedelta(hours=1)))
        text = logged_rows("a")[0]["request"]
        drained = await replies.answer_once("drained", [text] * 12, answers)
        assert [row["request_id"] for row in drained] == [f"drained/{ordinal}" for ordinal in range(12)]
        assert (await replies.answer_once("logged", [text], answers))[0]["request_id"] == "logged/0"
        assert (await replies.answer_once("twice", [text], answers))[0]["probability_fraction"] == 0.1
        assert answers.count == 0
        await replies.answer_once("old", [text], answers)
        assert answers.count == 1

    asyncio.run(ask())
