"""Taking feedback: checked against the answer that it is about, logged and synced before it is acknowledged, once per feedback id."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import polars as pl
from deltalake.exceptions import DeltaError
from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

from headrace.errors import ServingError
from headrace.lake import tables
from headrace.serving.chat_schema import Feedback, PersonAnswer, Recorded
from headrace.serving.feedback_index import FeedbackIndex
from headrace.serving.feedback_log import PERSON, READER, build_row, feedback_folder, fingerprint, read_feedback
from headrace.serving.inference_log import InferenceLog
from headrace.serving.logged_requests import find_requests
from headrace.serving.request_rows import LoggedRow
from headrace.serving.server import ModelServer

# Decisions about feedback; see `headrace.llm.reviews`.
REVIEWS = "metrics.feedback_reviews"


class FeedbackDesk:
    """Takes feedback and answers of people, and knows which questions wait for one. `start` before the first, `stop` after the last."""

    def __init__(self, server: ModelServer) -> None:
        """Prepare; nothing is opened before `start`."""
        self._settings, self._case, self._clock = server.settings, server.case, server.clock
        self._segment_seconds = server.pace.segment_seconds
        self._log: InferenceLog | None = None
        self._given = FeedbackIndex(server.settings, server.case)
        # What is there already is looked up before a row is logged, and nothing may come in between.
        self._turn = asyncio.Lock()

    def start(self) -> None:
        """Open the log."""
        folder = feedback_folder(self._settings, self._case.name)
        self._log = InferenceLog(folder, clock=self._clock, max_age_seconds=self._segment_seconds)

    def stop(self) -> None:
        """Close the log; what is in it waits for `ingest`."""
        if self._log is not None:
            self._log.close()

    def list_problems(self) -> list[str]:
        """What keeps feedback from being taken, in a sentence each."""
        if self._log is None:
            return []
        dead = [] if self._log.is_alive else ["the thread that writes the log of feedback has died; restart the server"]
        return [*dead, *([f"feedback: {self._log.problem}"] if self._log.problem else [])]

    async def take(self, feedback: Feedback) -> Recorded:
        """Record what a reader said.

        Raises:
            HTTPException: 404 for an unknown request, 409 for an id that was used for other feedback, 422 where nothing is said.
            ServingError: The log cannot be written.
        """
        if feedback.rating is None and feedback.correction is None and not feedback.ask_person:
            raise HTTPException(422, "the feedback says nothing; give a rating (up or down), a correction, or ask_person: true")
        said = {
            "origin": READER,
            "given_by": None,
            "rating": feedback.rating,
            "correction": feedback.correction,
            "section_id": None,
            "is_person_asked": feedback.ask_person,
        }
        return await self._record(feedback.request_id, said, feedback_id=feedback.feedback_id)

    async def take_answer(self, answer: PersonAnswer) -> Recorded:
        """Record what a person answered to a question of the queue, which then waits no more.

        Raises:
            HTTPException: 404 for an unknown request, 409 where somebody else has answered it.
            ServingError: The log cannot be written.
        """
        said = {
            "origin": PERSON,
            "given_by": answer.answered_by,
            "rating": None,
            "correction": answer.answer,
            "section_id": answer.section_id,
            "is_person_asked": False,
        }
        # One answer a question: the id is the question's.
        return await self._record(answer.request_id, said, feedback_id=f"answer:{_key(answer.request_id).replace('/', '-')}")

    def list_waiting(self) -> list[dict[str, Any]]:
        """Questions that wait for a person, oldest first: `request_id`, `asked_at` (UTC), `answered`: the row of the answer that was given."""
        is_about = pl.col("is_person_asked") | (pl.col("origin") == PERSON)
        rows = read_feedback(self._settings, self._case, where=is_about)
        answered = rows.filter(pl.col("origin") == PERSON)["request_id"].to_list()
        # A decision about one reader's words is none about another's wish.
        is_open = ~pl.col("request_id").is_in(answered) & ~pl.col("feedback_id").is_in(self._read_reviewed())
        waiting = rows.filter(pl.col("is_person_asked") & is_open).unique("request_id", keep="first", maintain_order=True)
        answers = find_requests(self._settings, self._case, waiting["request_id"].to_list())
        asked = waiting.select("request_id", "given_at").rows()
        return [{"request_id": key, "asked_at": at, "answered": answers[key]} for key, at in asked if key in answers]

    def _read_reviewed(self) -> list[str]:
        """Ids of the feedback about which a person has decided in a review."""
        mine = tables.read(self._settings, REVIEWS).filter(pl.col("use_case") == self._case.name)
        return mine.select("feedback_id").collect()["feedback_id"].to_list()

    async def _record(self, request_id: str, said: dict[str, Any], *, feedback_id: str | None) -> Recorded:
        given_at = self._clock()
        about = await run_in_threadpool(self._find_answer, request_id)
        row = build_row(said, feedback_id=feedback_id, about=about, given_at=given_at)
        async with self._turn:
            earlier = await run_in_threadpool(self._find_earlier, row["feedback_id"])
            if earlier is None:
                if self._log is None:
                    raise ServingError("the server was not started")
                await asyncio.wrap_future(self._log.append([row]))
        if earlier not in (None, fingerprint(row)):
            what = "this question was answered by a person" if said["origin"] == PERSON else f"feedback id {row['feedback_id']!r} was used"
            raise HTTPException(409, f"{what} before, in other words; look at what is there")
        return Recorded(feedback_id=row["feedback_id"], request_id=request_id, is_new=earlier is None)

    def _find_earlier(self, feedback_id: str) -> str | None:
        """The fingerprint of what was said before under an id, or None."""
        with _lake_is_asked():
            return self._given.find(feedback_id)

    def _find_answer(self, request_id: str) -> LoggedRow:
        key = _key(request_id)
        with _lake_is_asked():
            found = find_requests(self._settings, self._case, [key])
        if key not in found:
            raise HTTPException(404, f"nobody was given an answer with the request id {request_id!r}; send the request_id of the answer's reply")
        return found[key]


@contextmanager
def _lake_is_asked() -> Generator[None]:
    try:
        yield
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        raise ServingError("the lake cannot tell which answer this feedback is about; send it again later") from error


def _key(request_id: str) -> str:
    """The key of an answer's row; of a request with one question, the request's own id names it."""
    return request_id if "/" in request_id else f"{request_id}/0"
