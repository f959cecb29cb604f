"""How an environment says which language models it may call: one entry of the setting `language_models` per alias."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

ALIAS = re.compile(r"[a-z][a-z0-9_]{0,31}")

# What a request always says itself.
_RESERVED = ("messages", "model", "stream", "stream_options")


class ModelEntry(BaseModel):
    """What every language model has, wherever it runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1, max_length=200, description="Its name: in the hub where it is local, at the address where it is not.")
    connect_timeout_s: float = Field(default=5.0, gt=0, description="Seconds until a connection must stand.")
    first_token_timeout_s: float = Field(
        default=60.0, gt=0, description="Seconds until the first token must have come, and longest silence between two parts of an answer."
    )
    timeout_s: float = Field(
        default=120.0, gt=0, description="Seconds for one call in all, pauses and further attempts included; looked at whenever a part comes."
    )
    attempts: int = Field(
        default=3, ge=1, le=10, description="Most attempts of one call. Tried again is what was not begun: no connection, HTTP 429, 502, 503, 504."
    )
    fallbacks: tuple[str, ...] = Field(
        default=(), description="Aliases that are asked in this order when this one gives no answer; the row of the call says so."
    )
    input_price_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of a million prompt tokens in US dollars. Null: unknown, and so is what a call costs."
    )
    output_price_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of a million answer tokens in US dollars. Null: unknown, and so is what a call costs."
    )

    request: Mapping[str, Any] = Field(
        default={},
        description="Further fields of each request, such as `seed: 1`; null leaves out one that is sent otherwise, such as `temperature`.",
    )

    @property
    def place(self) -> str:
        """Where it runs, for messages."""
        return "on this machine"

    @field_validator("request")
    @classmethod
    def _leaves_the_question_alone(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if taken := sorted(set(value) & set(_RESERVED)):
            raise ValueError(f"sets {', '.join(taken)}, which the gateway sets itself")
        return value


class LocalModel(ModelEntry):
    """A model of the hub, run on this machine by a server that starts when it is first called."""

    kind: Literal["local"] = Field(description="`local`: llama.cpp on this machine, without network.")
    threads: int = Field(default=1, ge=1, description="Threads of its computation. They spin while they wait: on shared cores one is fastest.")
    context_tokens: int = Field(default=2048, ge=256, description="Tokens that a prompt and its answer may have together.")
    # A prompt of two thousand tokens takes it half a minute of a core that it has to itself.
    first_token_timeout_s: float = Field(
        default=300.0, gt=0, description="Seconds until the first token must have come, and longest silence between two parts of an answer."
    )
    timeout_s: float = Field(
        default=600.0, gt=0, description="Seconds for one call in all, pauses and further attempts included; looked at whenever a part comes."
    )
    input_price_usd_per_million: float | None = Field(
        default=0.0, ge=0, description="Price of a million prompt tokens in US dollars: 0, unless this machine's time is to be priced."
    )
    output_price_usd_per_million: float | None = Field(
        default=0.0, ge=0, description="Price of a million answer tokens in US dollars: 0, unless this machine's time is to be priced."
    )


class RemoteModel(ModelEntry):
    """A model behind an address that speaks the OpenAI schema, self-hosted or paid."""

    kind: Literal["openai"] = Field(description="`openai`: `POST <address>/chat/completions`, whoever answers there.")
    address: str = Field(description="Where the schema begins, `https://host/v1`; plain http on loopback only.")
    api_key: str | None = Field(
        default=None, repr=False, description="Secret reference to the key: `env:NAME`, or `file:/path` with mode 0600. Null: none is shown."
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="How the bound of an answer is called there."
    )

    @property
    def place(self) -> str:
        """Its address, which holds no secret."""
        return self.address

    @field_validator("address")
    @classmethod
    def _is_a_safe_address(cls, value: str) -> str:
        return check_address(value)

    @field_validator("api_key")
    @classmethod
    def _is_a_reference(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"env:\w+|file:/.+", value):
            raise ValueError("is no secret reference; write env:NAME or file:/path, never the key itself")
        return value


LanguageModel = Annotated[LocalModel | RemoteModel, Field(discriminator="kind")]


def check_address(address: str) -> str:
    """An address without a slash at its end, refused unless a key may safely be sent there.

    Raises:
        ValueError: It is no http address, holds a password, query or fragment, or is neither https nor on loopback.
    """
    try:
        parts = urlsplit(address)
        # Reading the port checks it.
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError("is no address; write https://host/v1") from None
    if parts.scheme not in ("http", "https") or not has_place or re.search(r"[\s\\]|[^\x21-\x7e]", address):
        raise ValueError("is no http address; write https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a login; name a key by api_key: env:NAME")
    if parts.query or parts.fragment:
        raise ValueError("holds a query; a key belongs in api_key: env:NAME, other fields in request")
    if parts.scheme == "http" and not is_loopback(parts):
        raise ValueError("is plain http beyond this machine, where prompts and key could be read on the way; write https://")
    return address.rstrip("/")


def is_loopback(parts: SplitResult) -> bool:
    """Whether an address is this machine's own, whatever a name server says: `localhost` or a loopback number."""
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_models(models: Mapping[str, LocalModel | RemoteModel]) -> None:
    """Refuse aliases that are no names, and fallbacks that do not exist.

    Raises:
        ValueError: Which alias, and what it may name.
    """
    for alias, entry in models.items():
        if not ALIAS.fullmatch(alias):
            raise ValueError(f"{alias!r} is no alias; write small letters, digits and underscores")
        unknown = [name for name in entry.fallbacks if name not in models or name == alias]
        if unknown:
            raise ValueError(f"{alias} falls back on {', '.join(unknown)}; others declared: {', '.join(sorted(set(models) - {alias})) or 'none'}")
