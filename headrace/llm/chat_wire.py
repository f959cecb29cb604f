"""The OpenAI chat schema on the wire: requests as JSON, answers as deltas, failures as kinds that say what may be tried again.

Nothing here keeps a connection: what a server sent comes in, what it means goes out.
"""

import codecs
import email.utils
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.llm.model_calls import ErrorKind

# An answer larger than this is no answer to a question; it would fill the memory of whoever reads it.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_LINE_CHARACTERS = 1024 * 1024

# A count beyond this is none, whatever a server says.
MAX_TOKENS = 1_000_000_000

_KNOWN_ENDS = ("stop", "length", "content_filter", "tool_calls")
_MODEL_NAME = re.compile(r"[\w./:@ -]{1,100}")

Message = Mapping[str, str]


@dataclass(kw_only=True, eq=False)
class Failure(Exception):
    """Why an attempt gave no answer. The gateway turns it into rows and, at the end of all attempts, into an error for a person.

    Attributes:
        kind: What went wrong, as a row has it.
        message: The same for a person; what the server said is cut and may not be trusted.
        http_status: Status of the answer; None: none came.
        is_retryable: Whether nothing was begun, so that the same may be tried again.
        retry_after_s: Seconds that the server wants to be left alone.
    """

    kind: ErrorKind
    message: str
    http_status: int | None = None
    is_retryable: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens as a server counted them."""

    input_token_count: int
    output_token_count: int
    cached_token_count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Delta:
    """A part of an answer; each field is None where this part does not say it.

    Attributes:
        text: Further text, maybe empty.
        finish_reason: Why the answer ended.
        usage: Tokens of the whole call.
        served_model: What the server calls the model.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    served_model: str | None = None


def build_body(
    *,
    model: str,
    messages: Sequence[Message],
    max_tokens: int,
    max_tokens_field: str,
    temperature: float | None,
    stop: Sequence[str],
    output_schema: Mapping[str, Any] | None,
    further: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON of a request. Answers are always streamed: a stream alone shows when the first token came."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [dict(message) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        max_tokens_field: max_tokens,
        "temperature": temperature,
        "stop": list(stop) or None,
    }
    if output_schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(output_schema), "strict": True}}
    body |= further
    return {name: value for name, value in body.items() if value is not None}


def read_deltas(parts: Iterable[bytes], *, is_stream: bool) -> Iterator[Delta]:
    """The deltas of an answer, while its bytes come.

    Args:
        parts: Bytes of the body, cut anywhere.
        is_stream: Whether they are server-sent events; otherwise one JSON object, from a server that does not stream.

    Raises:
        Failure: `malformed`, `broken` or what the server says went wrong.
    """
    if not is_stream:
        body = b"".join(_limit(parts))
        yield _read_delta(_parse(body.decode(errors="replace")), part="message")
        return
    for line in _split_lines(parts):
        if not line.startswith("data:"):
            continue
        text = line.removeprefix("data:").strip()
        if text == "[DONE]":
            return
        yield _read_delta(_parse(text), part="delta")
    # Some servers close without saying so; whether the answer was whole its finish reason tells.


def _split_lines(parts: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream of events, whatever the packets that they come in; at the end of the stream a line ends too."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for part in _limit(parts):
        text = decoder.decode(part)
        rest += text
        if "\n" in text or "\r" in rest:
            # Only these end a line; str.splitlines would also cut at characters of the answer. A return at the end may be half an ending.
            *lines, rest = re.split(r"\r\n|\n|\r(?!$)", rest)
            yield from lines
        if len(rest) > MAX_LINE_CHARACTERS:
            raise Failure(kind="malformed", message=f"a line of more than {MAX_LINE_CHARACTERS} characters")
    yield rest


def _limit(parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise Failure(kind="malformed", message=f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        yield part


def _parse(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Failure(kind="malformed", message="a part that is no JSON") from None
    if not isinstance(found, dict):
        raise Failure(kind="malformed", message="a part that is no JSON object")
    return found


def _read_delta(found: dict[str, Any], *, part: str) -> Delta:
    if found.get("error"):
        raise explain_error(found, http_status=None)
    choices = found.get("choices")
    if not isinstance(choices, list):
        raise Failure(kind="malformed", message="a part without choices, as the OpenAI schema has them")
    served = found.get("model")
    choice = choices[0] if choices and isinstance(choices[0], dict) else {}
    content = choice.get(part)
    text = content.get("content") if isinstance(content, dict) else None
    end = choice.get("finish_reason")
    return Delta(
        text=text if isinstance(text, str) else "",
        finish_reason=None if end is None else end if end in _KNOWN_ENDS else "other",
        usage=_read_usage(found.get("usage")),
        served_model=served if isinstance(served, str) and _MODEL_NAME.fullmatch(served) else None,
    )


def _read_usage(found: Any) -> Usage | None:
    """Usage that can be believed: two counts that are no less than nothing."""
    if not isinstance(found, dict):
        return None
    counts = [found.get("prompt_tokens"), found.get("completion_tokens")]
    if not all(_is_count(count) for count in counts):
        return None
    details = found.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(input_token_count=counts[0], output_token_count=counts[1], cached_token_count=cached if _is_count(cached) else None)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS


def explain_status(http_status: int, body: bytes, *, retry_after: str | None) -> Failure:
    """What an answer with another status than 200 means.

    Args:
        http_status: The status.
        body: What came with it, maybe cut.
        retry_after: The header of that name.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    return explain_error(found if isinstance(found, dict) else {}, http_status=http_status, retry_after_s=read_retry_after(retry_after))


def explain_error(found: Mapping[str, Any], *, http_status: int | None, retry_after_s: float | None = None) -> Failure:
    """An error object of the OpenAI schema, or none, as a kind of failure."""
    error = found.get("error")
    error = error if isinstance(error, Mapping) else {"message": error}
    code, named = str(error.get("code") or ""), str(error.get("type") or "")
    # A detail that is no sentence may be the request itself, sent back.
    said = next((text for text in (error.get("message"), found.get("detail")) if isinstance(text, str)), "")
    said = " ".join(said.split())[:200]
    kind = _find_kind(http_status, f"{code} {named}")
    came = f"HTTP {http_status}" if http_status else "an error in the stream"
    led = "to another address, which is not followed" if http_status is not None and 300 <= http_status < 400 else ""
    wish = f"with the wish to be left alone for {retry_after_s:.0f} s" if retry_after_s else ""
    return Failure(
        kind=kind,
        message=" ".join(filter(None, (came, f"({said})" if said else "", led, wish))),
        http_status=http_status,
        is_retryable=http_status in (429, 502, 503, 504) and kind in ("rate_limit", "unavailable"),
        retry_after_s=retry_after_s,
    )


def _find_kind(http_status: int | None, named: str) -> ErrorKind:
    if "context" in named and ("exceed" in named or "length" in named):
        return "too_long"
    if "insufficient_quota" in named:
        return "quota"
    match http_status:
        case 401 | 403:
            return "refused"
        case 429:
            return "rate_limit"
        case 502 | 503 | 504:
            return "unavailable"
        case 413:
            return "too_long"
        case None:
            return "server_error"
    return "server_error" if http_status >= 500 else "request"


def read_retry_after(header: str | None) -> float | None:
    """Seconds to wait, from a number or a date; None where the header is missing or neither."""
    if header is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", header.strip()):
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
