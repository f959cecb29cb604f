"""OpenAI's door to the same assistant: `POST /v1/chat/completions` and `GET /v1/models`.

The last message of the user is the question; earlier ones are not read, since every question is answered by itself. Numbers of tokens are
those of the model that was called; of a quotation, which has no tokenizer, counts of words and signs.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from headrace.serving.chat_schema import MAX_QUESTION_CHARACTERS, ChatReply, format_event, split_words

# Behind the assistant's name, it asks for a model's words: a name is what every client lets one choose.
IN_WORDS = "-in-words"

_TOKEN = re.compile(r"\w+|[^\w\s]")

_Body = TypeVar("_Body", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    text: str | None = None


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: bool = False


class Completion(BaseModel):
    """What is read of OpenAI's body; temperature and the like mean nothing to an answer by quotation."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: Annotated[list[_Message], Field(min_length=1, max_length=1_000)]
    stream: bool = False
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = None


class Answers(Protocol):
    """What these routes need of an assistant; see `headrace.serving.chat.Chat`."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def served_since(self) -> datetime:
        """Since when it is asked (UTC)."""
        ...

    def now(self) -> datetime:
        """The present instant (UTC)."""
        ...

    def check_host(self, request: Request) -> None:
        """Refuse a request to a name that is not this server's."""
        ...

    async def read(self, request: Request, body: type[_Body]) -> _Body:
        """A request's body."""
        ...

    @property
    def words(self) -> str:
        """Whether answers are worded by a model: `never`, `on_request` or `always`."""
        ...

    async def answer(self, request: Request, question: str, *, conversation_id: str | None, is_worded: bool | None) -> ChatReply:
        """Answer one question."""
        ...


def add_routes(app: FastAPI, assistant: Answers) -> None:
    """Add OpenAI's routes."""

    @app.get("/v1/models")
    async def models(request: Request) -> Response:
        """The assistant, and where its answers may be worded by a model, the same by another name."""
        assistant.check_host(request)
        return JSONResponse({"object": "list", "data": [_describe(name, assistant) for name in list_models(assistant)]})

    @app.get("/v1/models/{name}")
    async def model(request: Request, name: str) -> Response:
        """One of them, by its name."""
        assistant.check_host(request)
        _check_known(name, assistant)
        return JSONResponse(_describe(name, assistant))

    schema = {"required": True, "content": {"application/json": {"schema": {"type": "object", "required": ["model", "messages"]}}}}

    @app.post("/v1/chat/completions", openapi_extra={"requestBody": schema})
    async def complete(request: Request) -> Response:
        """Answer the last message of the user, in OpenAI's shape, with `citations` beside it."""
        asked = await assistant.read(request, Completion)
        _check_known(asked.model, assistant)
        question = find_question(asked.messages)
        reply = await assistant.answer(request, question, conversation_id=None, is_worded=list_models(assistant)[asked.model])
        usage = _count(asked.messages, reply)
        headers = {"X-Request-ID": reply.request_id, "Cache-Control": "no-store"}
        common = {"id": reply.request_id, "created": int(assistant.now().timestamp()), "model": asked.model}
        common |= {"system_fingerprint": f"version-{reply.model_version}"}
        if asked.stream:
            is_counted = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(_stream(reply, common, usage if is_counted else None), media_type="text/event-stream", headers=headers)
        return JSONResponse(_complete(reply, common, usage), headers=headers)


def list_models(assistant: Answers) -> dict[str, bool | None]:
    """Names by which an assistant is asked -> whether a model's words are wished for by it; None: as the server is set."""
    return {assistant.model: None} | ({} if assistant.words == "never" else {f"{assistant.model}{IN_WORDS}": True})


def _check_known(name: str, assistant: Answers) -> None:
    known = list_models(assistant)
    if name not in known:
        raise HTTPException(404, f"there is no model {name[:100]!r} here; there is {', '.join(known)}")


def _describe(name: str, assistant: Answers) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(assistant.served_since.timestamp()), "owned_by": "headrace"}


def find_question(messages: Sequence[_Message]) -> str:
    """The last message of the user.

    Raises:
        HTTPException: 422 where there is none, it holds something else than text, or it is too long.
    """
    last = next((message for message in reversed(messages) if message.role == "user"), None)
    if last is None:
        raise HTTPException(422, "no message has the role user; the last one that has is the question")
    parts = [_Part(type="text", text=last.content)] if isinstance(last.content, str) else last.content or []
    if other := sorted({part.type for part in parts if part.type != "text"}):
        raise HTTPException(422, f"the question holds {', '.join(other)}; only text can be asked")
    question = "\n".join(part.text or "" for part in parts).strip()
    if not 1 <= len(question) <= MAX_QUESTION_CHARACTERS:
        raise HTTPException(422, f"the question has {len(question)} characters; it must have 1 to {MAX_QUESTION_CHARACTERS}")
    return question


def count_tokens(text: str) -> int:
    """Words and signs of a text, in place of tokens."""
    return len(_TOKEN.findall(text))


def _count(messages: Sequence[_Message], reply: ChatReply) -> dict[str, int]:
    texts = [text for message in messages for text in _list_texts(message)]
    asked, said = sum(map(count_tokens, texts)), count_tokens(reply.answer)
    if reply.words is not None and reply.words.input_token_count is not None and reply.words.output_token_count is not None:
        asked, said = reply.words.input_token_count, reply.words.output_token_count
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _list_texts(message: _Message) -> list[str]:
    return [message.content] if isinstance(message.content, str) else [part.text or "" for part in message.content or []]


def _extend(reply: ChatReply) -> dict[str, Any]:
    """What OpenAI's schema has no place for."""
    return {
        "citations": [citation.model_dump() for citation in reply.citations],
        "is_answered": reply.is_answered,
        "confidence_fraction": reply.confidence_fraction,
        "request_id": reply.request_id,
        "words": None if reply.words is None else reply.words.model_dump(),
    }


def _complete(reply: ChatReply, common: dict[str, Any], usage: dict[str, int]) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.answer, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return common | {"object": "chat.completion", "choices": [choice], "usage": usage} | _extend(reply)


def _stream(reply: ChatReply, common: dict[str, Any], usage: dict[str, int] | None) -> Iterator[str]:
    """Chunks in OpenAI's shape; the last one with a choice also carries the citations."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": words} for words in split_words(reply.answer))]
    chunk = common | {"object": "chat.completion.chunk"}
    for delta in deltas:
        yield format_event(chunk | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]})
    end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    yield format_event(chunk | {"choices": [end]} | _extend(reply))
    if usage is not None:
        yield format_event(chunk | {"choices": [], "usage": usage})
    yield "data: [DONE]\n\n"
