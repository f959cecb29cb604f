"""One call at one alias: its attempts, its time-outs, the parts of its answer as they come, and the row that is left of it."""

import logging
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import httpx

from headrace.errors import HeadraceError
from headrace.llm import chat_wire
from headrace.llm.chat_wire import Delta, Failure, Message
from headrace.llm.endpoints import Endpoint, Endpoints
from headrace.llm.model_calls import CallOrigin, ErrorKind, ModelCall, Status, measure_cost_usd
from headrace.llm.model_settings import LocalModel, RemoteModel

logger = logging.getLogger(__name__)

# Text -> number of tokens.
CountTokens = Callable[[str], int]

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0

# Of an answer that is an error, enough to say what is wrong.
_MAX_ERROR_BYTES = 64 * 1024

# Nothing was begun, so nothing is to be paid.
_NOT_BEGUN: frozenset[ErrorKind] = frozenset({"setup", "connection", "rate_limit", "quota", "unavailable", "refused", "request", "too_long"})


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a model, whichever it is.

    Attributes:
        messages: `role` and `content` of each, oldest first.
        max_tokens: Most tokens of the answer.
        temperature: 0 takes the likeliest token each time; None leaves it to the server.
        stop: Texts at which the answer ends.
        output_schema: JSON schema that the answer must follow; None: free text.
    """

    messages: Sequence[Message]
    max_tokens: int
    temperature: float | None
    stop: Sequence[str]
    output_schema: Mapping[str, Any] | None


class Answer:
    """The answer of one alias to one request: opened, read part by part, closed, described."""

    def __init__(
        self,
        request: Request,
        *,
        alias: str,
        entry: LocalModel | RemoteModel,
        endpoints: Endpoints,
        origin: CallOrigin,
        asked_alias: str,
        count_tokens: CountTokens | None,
    ) -> None:
        """Nothing is sent yet."""
        self.alias, self.entry, self.place = alias, entry, entry.place
        self.text, self.attempts = "", 0
        self._request, self._endpoints, self._origin, self._asked_alias, self._count_tokens = request, endpoints, origin, asked_alias, count_tokens
        self._called_at, self._begin = datetime.now(UTC), time.monotonic()
        self._first_token_s: float | None = None
        self._end_s: float | None = None
        self._status: Status = "abandoned"
        self._error_kind: ErrorKind | None = None
        self._http_status: int | None = None
        self._last = Delta()
        self._response: httpx.Response | None = None
        self._deltas: Iterator[Delta] = iter(())
        self._hide: Callable[[str], str] = str
        self._id = uuid4().hex

    def open(self) -> None:
        """Send the request, again where that may help, until the first part of an answer has come.

        Raises:
            Failure: It has not, after as many attempts as the entry allows and the time lets.
        """
        try:
            self._prepare()
        except Failure as failure:
            self._fail(failure)
            raise
        # A local server may have been started just now; that is no time of the call.
        self._called_at, self._begin = datetime.now(UTC), time.monotonic()
        while True:
            self.attempts += 1
            try:
                self._attempt(self._prepare())
                return
            except Failure as failure:
                self._release()
                pause = compute_pause_s(self.attempts, retry_after_s=failure.retry_after_s)
                is_late = self._elapsed() + pause >= self.entry.timeout_s
                if not failure.is_retryable or self.attempts >= self.entry.attempts or is_late:
                    self._fail(failure)
                    raise
                logger.info("trying alias %s again in %.1f s after %s", self.alias, pause, failure.kind)
                time.sleep(pause)

    def read(self) -> None:
        """Read the answer to its end.

        Raises:
            Failure: The answer broke off or took too long.
        """
        try:
            for delta in self._deltas:
                self._take(delta)
            if self._last.finish_reason is None:
                raise Failure(kind="broken", message="the stream ended before the answer did")
        except Failure as failure:
            # An answer that is whole stays whole when the line breaks behind it.
            if self._last.finish_reason is None:
                self._fail(failure)
                raise
        self._finish("answered")

    def close(self) -> None:
        """Give the connection back; what was not read to its end is abandoned."""
        self._release()
        if self._end_s is None:
            self._finish("abandoned")

    def describe(self) -> ModelCall:
        """The call as a row, as far as it has gone."""
        input_count, output_count, source = self._count()
        cost = measure_cost_usd(
            input_token_count=input_count,
            output_token_count=output_count,
            input_price=self.entry.input_price_usd_per_million,
            output_price=self.entry.output_price_usd_per_million,
        )
        return ModelCall(
            call_id=self._id,
            **asdict(self._origin),
            asked_alias=self._asked_alias,
            alias=self.alias,
            kind=self.entry.kind,
            model=self.entry.model,
            served_model=self._last.served_model,
            called_at=self._called_at,
            latency_s=self._elapsed() if self._end_s is None else self._end_s,
            time_to_first_token_s=self._first_token_s,
            input_token_count=input_count,
            cached_token_count=self._last.usage.cached_token_count if self._last.usage else None,
            output_token_count=output_count,
            token_source=source,
            cost_usd=0.0 if self._error_kind in _NOT_BEGUN else cost,
            attempt_count=self.attempts,
            status=self._status,
            error_kind=self._error_kind,
            http_status=self._http_status,
            finish_reason=self._last.finish_reason,
        )

    def _prepare(self) -> Endpoint:
        """The endpoint of the alias, whose server may have to be started, or started again."""
        try:
            endpoint = self._endpoints.open(self.alias, self.entry)
        except HeadraceError as error:
            raise Failure(kind="setup", message=str(error)) from error
        self.place, self._hide = endpoint.place, endpoint.hide
        return endpoint

    def _attempt(self, endpoint: Endpoint) -> None:
        """Send once, and read until there is text or an end."""
        begin = time.monotonic()
        body = self._build_body()
        with _kinds():
            sent = endpoint.client.build_request("POST", endpoint.url, json=body)
            self._response = endpoint.client.send(sent, stream=True)
        self._http_status = self._response.status_code
        if self._http_status != httpx.codes.OK:
            with _kinds():
                said = b"".join(_take_bytes(self._response.iter_bytes(), limit=_MAX_ERROR_BYTES))
            raise chat_wire.explain_status(self._http_status, said, retry_after=self._response.headers.get("retry-after"))
        is_stream = self._response.headers.get("content-type", "").startswith("text/event-stream")
        self._deltas = chat_wire.read_deltas(self._read_in_time(self._response, begin=begin), is_stream=is_stream)
        for delta in self._deltas:
            self._take(delta)
            if self.text or self._last.finish_reason:
                return
        raise Failure(kind="broken", message="the stream ended before the answer began", http_status=self._http_status)

    def _build_body(self) -> dict[str, Any]:
        request, entry = self._request, self.entry
        return chat_wire.build_body(
            model=entry.model,
            messages=request.messages,
            max_tokens=request.max_tokens,
            max_tokens_field=entry.max_tokens_field if isinstance(entry, RemoteModel) else "max_tokens",
            temperature=request.temperature,
            stop=request.stop,
            output_schema=request.output_schema,
            further=entry.request,
        )

    def _read_in_time(self, response: httpx.Response, *, begin: float) -> Iterator[bytes]:
        """The bytes of the body while there is time; comments that only keep a line open are no tokens."""
        with _kinds():
            for part in response.iter_bytes():
                yield part
                if self._elapsed() > self.entry.timeout_s:
                    raise Failure(kind="timeout", message=f"no end after {self.entry.timeout_s:g} s", http_status=self._http_status)
                if self._first_token_s is None and time.monotonic() - begin > self.entry.first_token_timeout_s:
                    raise Failure(kind="timeout", message=f"no token after {self.entry.first_token_timeout_s:g} s", http_status=self._http_status)

    def _take(self, delta: Delta) -> None:
        if delta.text and self._first_token_s is None:
            self._first_token_s = self._elapsed()
        self.text += delta.text
        self._last = Delta(
            finish_reason=delta.finish_reason or self._last.finish_reason,
            usage=delta.usage or self._last.usage,
            served_model=delta.served_model or self._last.served_model,
        )

    def _count(self) -> tuple[int | None, int | None, Literal["server", "tokenizer", "none"]]:
        if self._last.usage is not None:
            return self._last.usage.input_token_count, self._last.usage.output_token_count, "server"
        if self._count_tokens is None or self._error_kind in _NOT_BEGUN or self.attempts == 0:
            return None, None, "none"
        asked = "\n".join(message["content"] for message in self._request.messages)
        return self._count_tokens(asked), self._count_tokens(self.text), "tokenizer"

    def _elapsed(self) -> float:
        return time.monotonic() - self._begin

    def _fail(self, failure: Failure) -> None:
        failure.message = self._hide(failure.message)
        self._error_kind = failure.kind
        self._http_status = failure.http_status or self._http_status
        self._release()
        self._finish("failed")

    def _finish(self, status: Status) -> None:
        self._status, self._end_s = status, self._elapsed()
        self._release()
        call = self.describe()
        logger.info(
            "called alias %s %s tokens=%s+%s latency_s=%.2f attempts=%d %s",
            self.alias,
            status,
            call.input_token_count,
            call.output_token_count,
            call.latency_s,
            self.attempts,
            self._error_kind or "",
        )

    def _release(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def compute_pause_s(attempt: int, *, retry_after_s: float | None) -> float:
    """Seconds before the next attempt: doubled each time, with jitter so that callers who failed together do not come back together.

    Args:
        attempt: Attempts made so far, from 1.
        retry_after_s: What the server asked for; never less than that.
    """
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 30))
    return max(random.uniform(longest / 2, longest), retry_after_s or 0.0)


@contextmanager
def _kinds() -> Generator[None]:
    """What the HTTP library says, as a kind of failure."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Failure(kind="connection", message=f"no connection ({_say(error)})", is_retryable=True) from None
    except httpx.TimeoutException as error:
        raise Failure(kind="timeout", message=f"silence for too long ({type(error).__name__})") from None
    except httpx.HTTPError as error:
        raise Failure(kind="broken", message=f"the connection broke ({_say(error)})") from None


def _say(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}" if str(error) else type(error).__name__


def _take_bytes(parts: Iterable[bytes], *, limit: int) -> Iterator[bytes]:
    size = 0
    for part in parts:
        yield part[: limit - size]
        size += len(part)
        if size >= limit:
            return
