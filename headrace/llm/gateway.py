"""One door to language models, by alias: who answers, on this machine or elsewhere, is a setting and no line of code.

A call has time-outs, tries again what was not begun, falls back on the aliases that its entry names, and ends as an answer or
as one error that says which alias, where, what came and what to do. Either carries its calls, for `metrics.llm_calls`.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from headrace.errors import GatewayError, SettingsError
from headrace.llm.answering import Answer, CountTokens, Request
from headrace.llm.chat_wire import Failure, Message
from headrace.llm.endpoints import Endpoints, FetchModel
from headrace.llm.hub import fetch
from headrace.llm.hub_entries import check_licence, load_entry, load_policy
from headrace.llm.model_calls import CallOrigin, ErrorKind, ModelCall
from headrace.llm.model_settings import LocalModel, RemoteModel
from headrace.settings import Settings

# What to do about each kind of failure.
_NEXT_MOVES: Mapping[ErrorKind, str] = {
    "connection": "See that something answers there, and that its address and certificate are right",
    "rate_limit": "Wait and call again, raise `attempts`, or declare a fallback",
    "quota": "The account there is used up: raise its limit or use another model",
    "unavailable": "Wait and call again, or declare a fallback",
    "server_error": "See the log of that server",
    "refused": "See that its api_key names the right key and that the key may use this model",
    "request": "See that its address is right (a chat schema usually begins at /v1), and that the model is known there and takes these fields; "
    "`request` and `max_tokens_field` change them",
    "too_long": "Give fewer or shorter passages, or use a model with a larger context",
    "timeout": "Raise `first_token_timeout_s` or `timeout_s`, ask for fewer tokens, or use a faster model",
    "broken": "Call again, and see the log of that server",
    "malformed": "See that its address begins a chat schema as OpenAI has it, usually at /v1",
}


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """What an alias stands for.

    Attributes:
        kind: `local` or `openai`.
        model: Its name.
        address: Where it is called; None: on this machine.
        sha256: Of the file of a local model; None: what answers elsewhere under that name nobody here can tell.
    """

    kind: str
    model: str
    address: str | None
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A whole answer.

    Attributes:
        text: What the model wrote.
        call: The call that brought it.
        calls: All calls that it took, this one last: one per alias that was asked.
    """

    text: str
    call: ModelCall
    calls: tuple[ModelCall, ...]


class Gateway:
    """The door of one environment; to be used in a `with` block, which ends the servers that it started.

    Threads may share it.
    """

    def __init__(self, settings: Settings, *, fetch_model: FetchModel = fetch, count_tokens: CountTokens | None = None) -> None:
        """Nothing is started or resolved until an alias is called.

        Args:
            settings: The environment, whose `language_models` declares the aliases.
            fetch_model: Where the file of a local model comes from; left out, the hub.
            count_tokens: Counts the tokens of a text where a server says none; left out, they stay unknown.
        """
        self._settings = settings
        self._endpoints = Endpoints(settings, fetch_model=fetch_model)
        self._count_tokens = count_tokens

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End connections, and the servers that were started here."""
        self._endpoints.close()

    def complete(
        self,
        alias: str,
        messages: Sequence[Message],
        *,
        origin: CallOrigin,
        max_tokens: int,
        temperature: float | None = 0.0,
        stop: Sequence[str] = (),
        output_schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Call a model and wait for its whole answer.

        Args:
            alias: A key of the setting `language_models`.
            messages: `role` and `content` of each, oldest first.
            origin: What the call is for.
            max_tokens: Most tokens of the answer.
            temperature: 0 takes the likeliest token each time; None leaves it to the server.
            stop: Texts at which the answer ends.
            output_schema: JSON schema that the answer must follow; None: free text.

        Raises:
            GatewayError: Neither the alias nor its fallbacks answered; its `calls` say what was tried.
            SettingsError: The alias is not declared.
        """
        request = Request(messages=messages, max_tokens=max_tokens, temperature=temperature, stop=stop, output_schema=output_schema)
        calls: list[ModelCall] = []
        failures: list[str] = []
        for name in (alias, *_find(self._settings, alias).fallbacks):
            answer = Answer(
                request,
                alias=name,
                entry=_find(self._settings, name),
                endpoints=self._endpoints,
                origin=origin,
                asked_alias=alias,
                count_tokens=self._count_tokens,
            )
            try:
                with closing(answer):
                    answer.open()
                    answer.read()
                call = answer.describe()
                return Completion(text=answer.text, call=call, calls=(*calls, call))
            except Failure as failure:
                calls.append(answer.describe())
                failures.append(_explain(answer, failure))
        raise GatewayError(". Then ".join(failures), calls=calls)


def read_identity(settings: Settings, alias: str) -> ModelIdentity:
    """What an alias stands for at this moment, without calling it.

    Raises:
        SettingsError: It is not declared.
        ModelError: It is local, and the hub has no model of that name, or its licence is not allowed: what may not answer is not pinned.
    """
    entry = _find(settings, alias)
    if isinstance(entry, LocalModel):
        listed = load_entry(entry.model)
        check_licence(listed, load_policy())
        return ModelIdentity(kind=entry.kind, model=entry.model, address=None, sha256=listed.files[0].sha256)
    return ModelIdentity(kind=entry.kind, model=entry.model, address=entry.address, sha256=None)


def _find(settings: Settings, alias: str) -> LocalModel | RemoteModel:
    models = settings.language_models
    if alias not in models:
        raise SettingsError(
            f"environment {settings.environment} has no language model {alias!r}; known: {', '.join(sorted(models)) or 'none'}. "
            f"Declare it in language_models of environments/{settings.environment}.yaml"
        )
    return models[alias]


def _explain(answer: Answer, failure: Failure) -> str:
    """Which alias, where, what came, what to do."""
    who = f"language model {answer.alias!r} ({answer.entry.model}, {answer.place})"
    if failure.kind == "setup":
        return f"{who} cannot be called: {failure.message}"
    attempts = "1 attempt" if answer.attempts == 1 else f"{answer.attempts} attempts"
    return f"{who} was to answer; after {attempts} came {failure.message}. {_NEXT_MOVES[failure.kind]}"
