"""The model server of one use case: `HEADRACE_ENV=dev python -m headrace.serving --use-case flight_delay`.

One process. It ends on SIGTERM or SIGINT once the requests it has are answered and the log is drained.
"""

import argparse
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from types import FrameType

import uvicorn

from headrace import process, servers
from headrace import use_case as use_cases
from headrace.errors import HeadraceError, ServingError
from headrace.serving.app import create_app
from headrace.serving.model_watcher import FindChampion, LoadCandidate, find_registered_champion
from headrace.serving.server import Clock, Pace
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

# A request takes milliseconds; whoever has not been answered by then has hung up.
_FAREWELL_SECONDS = 10

_WAITING_CONNECTIONS = 2_048


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve; an error that a user can meet ends the process with one line and its exit code."""
    parser = argparse.ArgumentParser(prog="python -m headrace.serving", description="Serve the champion of a use case over HTTP.")
    parser.add_argument("--use-case", required=True, help="name of a folder in use_cases/")
    chosen = parser.parse_args(arguments)
    try:
        settings = load_settings()
        case = use_cases.load_in(settings, chosen.use_case)
        servers.check_up(settings)
        process.prepare(settings)
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        serve(settings, case, find_champion=find_registered_champion(settings, case), clock=now)
    except HeadraceError as error:
        parser.exit(error.exit_code, f"{error}\n")


def now() -> datetime:
    """The present instant (UTC): a request uses its arrival."""
    return datetime.now(UTC)


def serve(
    settings: Settings,
    case: UseCase,
    *,
    find_champion: FindChampion,
    clock: Clock,
    pace: Pace | None = None,
    load: LoadCandidate | None = None,
) -> None:
    """Answer requests until the process is told to end.

    Args:
        settings: The environment that is served; its `serving_host` and `serving_port` are bound.
        case: The use case.
        find_champion: Asks the registry; see `headrace.serving.model_watcher`.
        clock: The present instant (UTC).
        pace: How often the background work is done; left out, as a deployment does it.
        load: Loads a candidate's folder; left out, whatever family it is of.

    Raises:
        ServingError: The address is in use, or is not this machine's.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn ends gracefully and then raises the signal again, for this handler: a server that was told to end has not failed.
        signal.signal(number, _leave)
    app = create_app(settings, case, find_champion=find_champion, clock=clock, pace=pace, load=load)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_FAREWELL_SECONDS)
    with _bind(settings) as listener:
        logger.info("serving %s of %s on http://%s:%d/docs", case.name, settings.environment, *listener.getsockname()[:2])
        uvicorn.Server(config).run(sockets=[listener])


def _bind(settings: Settings) -> socket.socket:
    host, port = settings.serving_host, settings.serving_port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_WAITING_CONNECTIONS)
    except OSError as error:
        raise ServingError(
            f"{host}:{port} cannot be served ({os.strerror(error.errno or 0)}); end what uses it, "
            "or set HEADRACE_SERVING_PORT or HEADRACE_SERVING_HOST to an address that is free"
        ) from error


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
