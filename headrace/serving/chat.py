"""The routes of an assistant: `POST /chat`, `/v1/chat/completions`, `POST /feedback`, the chat page, and the queue of questions for a person.

An answer is logged and synced before its first word is sent, also where it is streamed.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

import polars as pl
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError

from headrace.serving import chat_pages, completions
from headrace.serving.browsers import check_host, check_post
from headrace.serving.chat_schema import ChatReply, Feedback, PersonAnswer, Question, Recorded, build_chat_reply, format_event, split_words
from headrace.serving.feedback import FeedbackDesk
from headrace.serving.findings import Place, explain
from headrace.serving.incoming import build_request_id, read_body, read_request_id
from headrace.serving.refusals import Refusal
from headrace.serving.replies import RepeatedIdError
from headrace.serving.server import ModelServer
from headrace.serving.words import Words

# The kind of task that these routes are for.
ASSISTANT = "assistant"

# The column of a request that holds what is asked; all others identify it.
_QUESTION = "question"

EVENT_STREAM = "text/event-stream"

_Body = TypeVar("_Body", bound=BaseModel)


class Chat:
    """An assistant, served: its routes, and what they keep open."""

    def __init__(self, server: ModelServer) -> None:
        """Prepare; nothing is opened before `start`."""
        self._server, self._desk, self._words = server, FeedbackDesk(server), Words(server.settings, server.case)
        self.served_since = server.clock()

    def start(self) -> None:
        """Open the log of feedback."""
        self._desk.start()

    async def stop(self) -> None:
        """Close it, and end the model that worded answers."""
        try:
            await run_in_threadpool(self._words.stop)
        finally:
            await run_in_threadpool(self._desk.stop)

    def list_problems(self) -> list[str]:
        """What is wrong with taking feedback, in a sentence each."""
        return self._desk.list_problems()

    def add_routes(self, app: FastAPI) -> None:
        """Add all routes of an assistant to the server's."""
        self._add_chat(app)
        self._add_feedback(app)
        completions.add_routes(app, self)
        chat_pages.add_pages(app, self._server.settings, title=self._server.case.title)

    @property
    def model(self) -> str:
        """The name by which clients ask for this assistant."""
        return self._server.case.name

    def now(self) -> datetime:
        """The present instant (UTC)."""
        return self._server.clock()

    def check_host(self, request: Request) -> None:
        """Refuse a request to a name that is not this server's.

        Raises:
            HTTPException: 403.
        """
        check_host(request, self._server.settings)

    async def read(self, request: Request, body: type[_Body]) -> _Body:
        """A request's body.

        Raises:
            HTTPException: 400, 403, 413, 415 or 422, in one sentence.
        """
        check_post(request, self._server.settings)
        try:
            return body.model_validate_json(await read_body(request))
        except ValidationError as error:
            status, sentence = explain(error, _tell)
            raise HTTPException(status, sentence) from error

    @property
    def words(self) -> str:
        """Whether answers are worded by a model: `never`, `on_request` or `always`."""
        return self._server.settings.serving_words

    async def answer(self, request: Request, question: str, *, conversation_id: str | None, is_worded: bool | None) -> ChatReply:
        """Answer one question; with the same `X-Request-ID`, the same answer, recorded once.

        Args:
            request: The request.
            question: What is asked.
            conversation_id: The conversation that it belongs to.
            is_worded: Whether a model's words are wished for; None: as the server's setting has it.

        Raises:
            HTTPException: 400 for an id of another form, 409 for one that was used for another question, 422 for words where they are never given.
            HeadraceError: There is no champion, no online features, or no log.
        """
        if is_worded and self.words == "never":
            raise HTTPException(422, "this server answers by quotation only; leave words out, or have serving_words set to on_request")
        server, requested_at = self._server, self._server.clock()
        given = read_request_id(request)
        request_id = given or build_request_id(requested_at)
        question_id = request_id if conversation_id is None else f"{conversation_id}/{request_id}"
        columns = server.case.features.request_columns
        row = {name: question if name == _QUESTION else question_id for name in columns}
        rows = pl.DataFrame([row], schema=dict(columns))
        wants_words = self.words == "always" if is_worded is None else is_worded
        predict = self._words.ask(request_id=f"{request_id}/0", asked_at=requested_at) if wants_words else None
        try:
            answered = await server.answer(rows, request_id=request_id, is_new_id=given is None, requested_at=requested_at, predict=predict)
        except RepeatedIdError as error:
            raise HTTPException(409, str(error)) from error
        return build_chat_reply(answered[0])

    def _add_chat(self, app: FastAPI) -> None:
        schema = {"requestBody": _describe(Question)}

        @app.post("/chat", response_model=ChatReply, responses=_list_refusals(400, 403, 409, 413, 415, 422, 503), openapi_extra=schema)
        async def chat(request: Request) -> Response:
            """Answer one question with quotations, or with `words` in a model's. A client that accepts `text/event-stream` gets it word by word."""
            asked = await self.read(request, Question)
            reply = await self.answer(request, asked.question, conversation_id=asked.conversation_id, is_worded=asked.words)
            headers = {"X-Request-ID": reply.request_id, "Cache-Control": "no-store"}
            if EVENT_STREAM in request.headers.get("accept", ""):
                return StreamingResponse(stream_events(reply), media_type=EVENT_STREAM, headers=headers)
            return JSONResponse(reply.model_dump(), headers=headers)

    def _add_feedback(self, app: FastAPI) -> None:
        refusals, desk = _list_refusals(400, 403, 404, 409, 413, 415, 422, 503), self._desk

        @app.post("/feedback", response_model=Recorded, responses=refusals, openapi_extra={"requestBody": _describe(Feedback)})
        async def feedback(request: Request) -> Response:
            """Record what a reader thinks of an answer, or that a person should answer."""
            return JSONResponse((await desk.take(await self.read(request, Feedback))).model_dump())

        @app.post("/queue/answers", response_model=Recorded, responses=refusals, openapi_extra={"requestBody": _describe(PersonAnswer)})
        async def answer_waiting(request: Request) -> Response:
            """Record what a person answers to a question of the queue."""
            return JSONResponse((await desk.take_answer(await self.read(request, PersonAnswer))).model_dump())

        @app.get("/queue/questions", responses=_list_refusals(403, 503))
        async def waiting(request: Request) -> Response:
            """Questions that wait for a person, oldest first, each with the answer that was given."""
            self.check_host(request)
            found = await run_in_threadpool(desk.list_waiting)
            told = [
                {
                    "request_id": row["request_id"],
                    "asked_at": row["asked_at"].isoformat(),
                    "question": json.loads(row["answered"]["request"])[_QUESTION],
                    "reply": build_chat_reply(row["answered"]).model_dump(),
                }
                for row in found
            ]
            return JSONResponse({"questions": told}, headers={"Cache-Control": "no-store"})


def stream_events(reply: ChatReply) -> Iterator[str]:
    """An answer as server-sent events: `delta` for each word, `citation` for each citation, at last `done` with all of it."""
    for words in split_words(reply.answer):
        yield format_event({"text": words}, name="delta")
    for citation in reply.citations:
        yield format_event(citation.model_dump(), name="citation")
    yield format_event(reply.model_dump(), name="done")


def _tell(kind: str, _: Place) -> str | None:
    return "is unknown here; /docs lists what is asked for" if kind == "extra_forbidden" else None


def _describe(body: type[BaseModel]) -> dict[str, object]:
    """A body as OpenAPI describes it."""
    return {"required": True, "content": {"application/json": {"schema": body.model_json_schema()}}}


_SENTENCES = {
    400: "The body is no JSON, or the request id has another form.",
    403: "A page of another address, or another name of this server.",
    404: "There is no such answer.",
    409: "The id was used for something else.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The body is not what is asked for.",
    503: "There is no champion, there are no online features, or the log cannot be written.",
}


def _list_refusals(*codes: int) -> dict[int | str, dict[str, object]]:
    return {code: {"model": Refusal, "description": _SENTENCES[code]} for code in codes}
