"""The services of an environment: which there are, in which order they start, where they answer, how they are told to end."""

import importlib.util
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.errors import ServerError
from headrace.servers import HOST
from headrace.settings import LOCAL_FILE, Settings

# A worker that is told to end lets its flow runs go on for so long.
DRAIN_SECONDS = 120

# What is left then is told to end, and killed after as long again.
TERMINATE_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Service:
    """One program that `make up` starts.

    Attributes:
        name: Its name: of the program, of its log, on the terminal.
        wave: What has a lower one must be healthy before this is started; it is stopped before them.
        port_setting: The setting that holds its port; None when it listens nowhere.
        stop_signal: How it is told to end.
        stop_seconds: How long it may take to end before it is killed.
        is_stopped_with_children: Whether its child processes get that signal too.
    """

    name: str
    wave: int
    port_setting: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    is_stopped_with_children: bool = True

    def port(self, settings: Settings) -> int | None:
        """The port it listens on."""
        return None if self.port_setting is None else int(getattr(settings, self.port_setting))

    def address(self, settings: Settings) -> str:
        """Where a person finds it."""
        if self.name == POSTGRES.name:
            return f"{HOST}:{settings.postgres_port}"
        if self.name == MODEL_SERVER.name:
            return f"http://{settings.serving_host}:{settings.serving_port}/docs"
        if self.name == WORKER.name:
            return f"pool {work_pool(settings)}"
        return "" if self.port_setting is None else f"http://{HOST}:{self.port(settings)}"


# SIGINT is PostgreSQL's fast shutdown: it ends its clients and waits for its own checkpoint.
POSTGRES = Service(name="postgres", wave=1, port_setting="postgres_port", stop_signal="INT", stop_seconds=60, is_stopped_with_children=False)
PREFECT_SERVER = Service(name="prefect-server", wave=2, port_setting="prefect_port")
MLFLOW_SERVER = Service(name="mlflow-server", wave=2, port_setting="mlflow_port")
WORKER = Service(name="worker", wave=3, stop_seconds=DRAIN_SECONDS + 3 * TERMINATE_SECONDS, is_stopped_with_children=False)
MODEL_SERVER = Service(name="model-server", wave=3, port_setting="serving_port", stop_seconds=30)
WATCHER = Service(name="watcher", wave=4)


def possible_services(settings: Settings) -> list[Service]:
    """Every service that this environment may have, in the order in which they start."""
    keeps_cluster = settings.database == "postgres" and settings.database_uri is None
    keeps_registry = settings.database == "postgres" and settings.tracking_uri is None
    found = [
        *([POSTGRES] if keeps_cluster else []),
        PREFECT_SERVER,
        *([MLFLOW_SERVER] if keeps_registry else []),
        WORKER,
        MODEL_SERVER,
        *([WATCHER] if importlib.util.find_spec("operations.watch") else []),
    ]
    return sorted(found, key=lambda service: service.wave)


def expected_services(settings: Settings) -> list[Service]:
    """Those that should be up now: a model server needs a deployed commit to run from."""
    return [service for service in possible_services(settings) if service != MODEL_SERVER or read_release(settings) is not None]


def work_pool(settings: Settings) -> str:
    """The work pool of the environment, whose runs its worker takes."""
    return f"{settings.environment}-pool"


def worker_name(settings: Settings) -> str:
    """Name of the worker in Prefect's pages; the same after a restart, so that one row stands for it."""
    return f"{settings.environment}-{socket.gethostname()}"


def release_path(settings: Settings) -> Path:
    """The file that names the deployed commit: `{"commit", "folder", "python", "landing", "use_cases"}`; `make deploy` writes it."""
    return settings.environment_home / "run" / "release.json"


def read_release(settings: Settings) -> Mapping[str, Any] | None:
    """The deployed commit with its folder, interpreter and use cases; None before the first `make deploy`."""
    path = release_path(settings)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write_release(settings: Settings, release: Mapping[str, Any]) -> None:
    """Note what is deployed, in one move."""
    path = release_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(release, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def choose_served(settings: Settings, deployed: Sequence[str]) -> str:
    """The use case of the model server: an environment has one port for it.

    Raises:
        ServerError: Several are deployed and none is chosen, or the chosen one is not deployed.
    """
    if settings.served_use_case is None and len(deployed) == 1:
        return deployed[0]
    if settings.served_use_case in deployed:
        return str(settings.served_use_case)
    chosen = f"served_use_case is {settings.served_use_case}" if settings.served_use_case else "none is chosen"
    raise ServerError(
        f"one model server serves one use case; deployed are {', '.join(deployed) or 'none'}, and {chosen}: set served_use_case in "
        f"{settings.environment_home / LOCAL_FILE} to one of them"
    )
