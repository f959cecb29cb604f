"""Whether a service answers, asked the way its users ask."""

import contextlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import httpx

from headrace.errors import ServerError
from headrace.servers import HOST
from headrace.settings import LOCAL_FILE, Settings
from operations import credentials, postgres
from operations.services import MLFLOW_SERVER, MODEL_SERVER, POSTGRES, PREFECT_SERVER, WORKER, Service, work_pool, worker_name
from operations.supervisor import State

_SECONDS = 10.0

# What a model server calls itself, beside "healthy".
_MEANING = {"degraded": "it answers, but", "unavailable": "it cannot answer yet"}

# Prefect calls a worker online for three of its heartbeats of 30 s.
_ONLINE = "ONLINE"


@dataclass(frozen=True, kw_only=True)
class Health:
    """What a service said.

    Attributes:
        is_healthy: Whether it does what it is for.
        note: Why not, or what a person should know.
        version: Of the program, where it tells.
    """

    is_healthy: bool
    note: str = ""
    version: str = ""


def check_port_free(settings: Settings, service: Service) -> None:
    """See that nobody else listens where a service shall.

    Raises:
        ServerError: The port is taken.
    """
    port = service.port(settings)
    if port is None:
        return
    host = settings.serving_host if service == MODEL_SERVER else HOST
    try:
        with contextlib.closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as listener:
            # As servers do: a connection of a minute ago takes no port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except OSError as error:
        raise ServerError(
            f"port {port} of {service.name} is taken by another process ({error.strerror}); end that one, or set {service.port_setting} "
            f"to a free port in {settings.environment_home / LOCAL_FILE}"
        ) from error


def read_health(settings: Settings, service: Service, state: State) -> Health:
    """Ask a service how it is.

    Args:
        settings: The environment.
        service: Which.
        state: What the keeper says about it.
    """
    if state.status not in ("RUNNING", "STARTING"):
        return Health(is_healthy=False, note=f"{state.status.lower()} {state.note}".strip())
    if service.name not in _QUESTIONS:
        # It has no door to knock on: as long as it has not ended, it works.
        return Health(is_healthy=state.status == "RUNNING", note="" if state.status == "RUNNING" else "starting")
    try:
        return _QUESTIONS[service.name](settings, state)
    except httpx.HTTPError as error:
        return Health(is_healthy=False, note=f"does not answer ({type(error).__name__})")
    except ServerError as error:
        return Health(is_healthy=False, note=str(error))


def _ask_postgres(settings: Settings, _state: State) -> Health:
    return Health(is_healthy=True, version=postgres.read_server_version(settings))


def _ask_prefect_server(settings: Settings, _state: State) -> Health:
    address = f"http://{HOST}:{settings.prefect_port}/api"
    # This one asks its database, and answers 503 when that is away.
    ready = client().get(f"{address}/ready")
    version = client().get(f"{address}/admin/version", auth=_prefect_login(settings))
    note = "" if ready.is_success else f"is not ready (HTTP {ready.status_code})"
    note = note or ("" if version.is_success else f"refuses our login (HTTP {version.status_code})")
    return Health(is_healthy=not note, note=note, version=str(version.json()) if version.is_success else "")


def _ask_mlflow_server(settings: Settings, _state: State) -> Health:
    address = f"http://{HOST}:{settings.mlflow_port}"
    alive = client().get(f"{address}/health")
    version = client().get(f"{address}/version", auth=("admin", credentials.ensure(settings, credentials.MLFLOW_ADMIN_PASSWORD)))
    note = "" if alive.is_success else f"HTTP {alive.status_code}"
    note = note or ("" if version.is_success else f"refuses its administrator (HTTP {version.status_code})")
    return Health(is_healthy=not note, note=note, version=version.text if version.is_success else "")


def _ask_worker(settings: Settings, state: State) -> Health:
    """A worker listens nowhere; the server knows when it was last heard of."""
    address = f"http://{HOST}:{settings.prefect_port}/api/work_pools/{work_pool(settings)}/workers/filter"
    answer = client().post(address, json={}, auth=_prefect_login(settings))
    if answer.status_code == httpx.codes.NOT_FOUND:
        return Health(is_healthy=False, note="has not made its pool yet")
    answer.raise_for_status()
    workers: list[Mapping[str, Any]] = [found for found in answer.json() if found["name"] == worker_name(settings)]
    heard = max((_instant(found["last_heartbeat_time"]) for found in workers), default=None)
    if heard is None or heard.timestamp() < state.started:
        return Health(is_healthy=False, note="has not spoken to the Prefect server yet")
    if workers[0]["status"] != _ONLINE:
        return Health(is_healthy=False, note=f"last spoke to the Prefect server at {heard:%H:%M:%S} UTC")
    return Health(is_healthy=True)


def _ask_model_server(settings: Settings, _state: State) -> Health:
    answer = client().get(f"http://{settings.serving_host}:{settings.serving_port}/health")
    said = answer.json()
    # It is up when it answers; without a champion, or with old features, it says so itself.
    note = "" if said["status"] == "ok" else f"{_MEANING[said['status']]}: {'; '.join(said['problems'])}"
    champion = said["model_version"]
    return Health(is_healthy=bool(said["is_live"]), note=note, version="" if champion is None else f"champion {champion}")


_QUESTIONS: Mapping[str, Callable[[Settings, State], Health]] = {
    POSTGRES.name: _ask_postgres,
    PREFECT_SERVER.name: _ask_prefect_server,
    MLFLOW_SERVER.name: _ask_mlflow_server,
    WORKER.name: _ask_worker,
    MODEL_SERVER.name: _ask_model_server,
}


@lru_cache(maxsize=1)
def client() -> httpx.Client:
    """The one HTTP client of this process."""
    # A client reads all certificates when it is made, which takes longer than a question.
    return httpx.Client(timeout=_SECONDS)


def _prefect_login(settings: Settings) -> tuple[str, str]:
    user, _, password = credentials.ensure_prefect_login(settings).partition(":")
    return user, password


def _instant(text: str | None) -> datetime:
    return datetime.fromtimestamp(0, UTC) if text is None else datetime.fromisoformat(text)
