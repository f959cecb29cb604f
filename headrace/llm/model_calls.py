"""Every call of a language model as a row of `metrics.llm_calls`: who asked, what it took, what it cost; never what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from headrace.lake import runs, tables
from headrace.lake.batches import build_batch_id
from headrace.lake.tables import Written
from headrace.settings import Settings

TABLE = "metrics.llm_calls"

MILLION = 1_000_000

Status = Literal["answered", "failed", "abandoned"]
ErrorKind = Literal[
    "setup", "connection", "rate_limit", "quota", "unavailable", "server_error", "refused", "request", "too_long", "timeout", "broken", "malformed"
]


@dataclass(frozen=True, kw_only=True)
class CallOrigin:
    """What a call is made for.

    Attributes:
        use_case: Name of the use case.
        purpose: What the answer is for, in a word: `answer`, `judge`.
        request_id: Id of the question, request or evaluation row that needs it.
        prompt: Registered name of the prompt, `<environment>.<use_case>.<prompt>`; None: no registered one.
        prompt_version: Its version.
        prompt_hash: Hash of its definition.
        asked_at: Instant (UTC) that the answer stands for: arrival of the request, `as_of` of the flow; None: the call itself.
    """

    use_case: str
    purpose: str
    request_id: str
    prompt: str | None = None
    prompt_version: int | None = None
    prompt_hash: str | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """One call at one alias, attempts included.

    Attributes:
        call_id: Its own id.
        use_case, purpose, request_id, prompt, prompt_version, prompt_hash, asked_at: As in `CallOrigin`.
        asked_alias: The alias that was asked for.
        alias: The alias that was called: another one where that gave no answer.
        kind: `local` or `openai`.
        model: Name of the model, as settings have it.
        served_model: Name by which the server called what answered; None: it named none.
        called_at: Begin of the call (UTC).
        latency_s: Seconds from begin to end, pauses included.
        time_to_first_token_s: Seconds from begin to the first part of the answer; None: none came.
        input_token_count: Tokens of the prompt; None: nobody knows.
        cached_token_count: Those of them that the server had computed before; None: it did not say.
        output_token_count: Tokens of the answer; None: nobody knows.
        token_source: `server`, `tokenizer` (counted here), or `none`.
        cost_usd: Price of the tokens in US dollars; None: tokens or price unknown.
        attempt_count: Requests that were sent, or tried to be.
        status: `answered`, `failed`, or `abandoned`: not read to its end.
        error_kind: Why it failed; None: it did not.
        http_status: Last status of the server; None: it sent none.
        finish_reason: Why the answer ended: `stop`, `length`, `content_filter`, `tool_calls`, `other`; None: it did not.
    """

    call_id: str
    use_case: str
    purpose: str
    request_id: str
    prompt: str | None
    prompt_version: int | None
    prompt_hash: str | None
    asked_at: datetime | None
    asked_alias: str
    alias: str
    kind: str
    model: str
    served_model: str | None
    called_at: datetime
    latency_s: float
    time_to_first_token_s: float | None
    input_token_count: int | None
    cached_token_count: int | None
    output_token_count: int | None
    token_source: Literal["server", "tokenizer", "none"]
    cost_usd: float | None
    attempt_count: int
    status: Status
    error_kind: ErrorKind | None
    http_status: int | None
    finish_reason: str | None


def measure_cost_usd(
    *, input_token_count: int | None, output_token_count: int | None, input_price: float | None, output_price: float | None
) -> float | None:
    """What tokens cost, in US dollars; None where tokens or prices are unknown, because no cost is not a cost of nothing.

    Args:
        input_token_count: Tokens of the prompt.
        output_token_count: Tokens of the answer.
        input_price: US dollars for a million prompt tokens.
        output_price: US dollars for a million answer tokens.
    """
    if input_token_count is None or output_token_count is None or input_price is None or output_price is None:
        return None
    return (input_token_count * input_price + output_token_count * output_price) / MILLION


def format_call(call: ModelCall) -> dict[str, Any]:
    """A call as JSON can hold it: instants as ISO text."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(call).items()}


def parse_call(content: Mapping[str, Any]) -> ModelCall:
    """The call that JSON holds: the inverse of `format_call`."""
    fields: dict[str, Any] = {**content}
    fields |= {name: datetime.fromisoformat(content[name]) for name in ("asked_at", "called_at") if content[name] is not None}
    return ModelCall(**fields)


def append_calls(settings: Settings, calls: Sequence[ModelCall], *, batch_id: str) -> Written | None:
    """Append calls once.

    A slice that runs again calls again, and what comes then is neither the same nor wrong: the calls that were written first stay.

    Args:
        settings: The environment that made them.
        calls: The calls of one slice, in the order in which they were made.
        batch_id: `flow/use_case/slice/revision` of that slice.

    Returns:
        What was written; None where the batch is in the table already or there is no call.
    """
    if not calls or tables.is_written(settings, TABLE, batch_id=batch_id):
        return None
    return tables.append(settings, TABLE, runs.build_rows(TABLE, [asdict(call) for call in calls]), batch_id=batch_id)


def append_failed_calls(settings: Settings, calls: Sequence[ModelCall], *, flow: str, use_case: str) -> None:
    """Append the calls of an answer that never came: they may have cost something, and do not stand for the slice, which is asked again."""
    if calls:
        append_calls(settings, calls, batch_id=build_batch_id(flow, use_case, f"failed-{calls[0].call_id}"))
