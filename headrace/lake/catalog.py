"""Names of tables, where they lie, and who may write them.

A name is `layer.noun`, or `environment.layer.noun` for another environment's table. Layers are closed, nouns carry
their use case in front (`silver.flight_delay_weather`), except in `metrics`, whose tables all use cases share.
"""

import re
from dataclasses import dataclass

from headrace.errors import AccessError, LakeError
from headrace.settings import Settings, read_declared

LAYERS = ("bronze", "silver", "gold", "inference", "metrics")

# A name becomes a path and a part of SQL text, so nothing but this may be in it.
_PART = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class TableName:
    """One table's name, split: `environment` is None for the process's own."""

    environment: str | None
    layer: str
    noun: str

    @property
    def local(self) -> str:
        """`layer.noun`, as contracts and metrics rows name the table."""
        return f"{self.layer}.{self.noun}"


def parse_name(name: str) -> TableName:
    """Split `layer.noun` or `environment.layer.noun`.

    Raises:
        LakeError: The name has another shape, or a layer that does not exist.
    """
    parts = name.split(".")
    if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
        raise LakeError(
            f"table name {name!r} is not layer.noun or environment.layer.noun in lower case, digits and underscores; "
            "for example silver.flight_delay_weather"
        )
    environment, layer, noun = (None, *parts) if len(parts) == 2 else parts
    if layer not in LAYERS:
        raise LakeError(f"table name {name!r} has the layer {layer!r}; layers: {', '.join(LAYERS)}")
    return TableName(environment, layer, noun)


def look_at(settings: Settings, environment: str) -> Settings:
    """Settings by which this process reads another environment's tables in place of its own, with its own credentials, and writes none.

    Raises:
        AccessError: `readable` does not list that environment.
    """
    if environment == settings.environment:
        return settings
    find_lake(settings, environment)
    # Its figures are judged by its own bars, those of the subset where it runs on that.
    return settings.model_copy(update={"looks_at": environment, "subset": read_declared(environment)["subset"]})


def readable_uri(settings: Settings, name: str) -> str:
    """Where a table lies that this environment may read: a folder, or a URI of object storage.

    Raises:
        AccessError: The name is another environment's, and `readable` does not list it.
    """
    table = parse_name(name)
    return f"{find_lake(settings, table.environment or settings.seen)}/{table.layer}/{table.noun}"


def find_lake(settings: Settings, environment: str) -> str:
    """Where the tables of an environment lie that this one may read, its own included.

    Raises:
        AccessError: `readable` does not list it.
    """
    if environment == settings.environment:
        return settings.lake
    if environment not in settings.readable:
        allowed = ", ".join([settings.environment, *settings.readable])
        raise AccessError(
            f"{settings.environment} may not read the tables of {environment}: environments it reads are {allowed}; "
            f"see `readable` in environments/{settings.environment}.yaml"
        )
    return settings.find_lake(environment)


def writable_uri(settings: Settings, name: str) -> str:
    """Where a table lies that this environment may write: its own, and no other.

    Raises:
        AccessError: The name is another environment's, or this process only looks at one.
    """
    table = parse_name(name)
    if settings.looks_at is not None:
        raise AccessError(f"{name} cannot be written by a process of {settings.environment} that looks at {settings.looks_at}; run it without OF=")
    if table.environment not in (None, settings.environment):
        raise AccessError(
            f"{settings.environment} may not write {name}: an environment writes only its own tables; run this with ENV={table.environment}"
        )
    return f"{settings.lake}/{table.layer}/{table.noun}"
