"""Become one service of the environment: `HEADRACE_ENV=staging python -m operations.launch worker`, which the keeper runs.

Secrets go from their files into the environment of the process that needs them, and nowhere else: no command line, no
configuration of the keeper.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace import process
from headrace.errors import HeadraceError, ServerError
from headrace.servers import HOST
from headrace.settings import Settings, load_settings
from operations import credentials, postgres, processes, services

# How long MLflow believes a password it has checked; without, each request costs the 0.3 s of another check.
_AUTH_CACHE_SECONDS = 60

# A run that has not started so long after its time is called late, and told of.
LATE_SECONDS = 60

# A run that has said nothing for three of these is taken for dead.
HEARTBEAT_SECONDS = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Become the service; what a person has to mend ends in one sentence in its log."""
    [name] = sys.argv[1:] if arguments is None else arguments
    try:
        settings = load_settings()
        os.environ[processes.MARK] = str(settings.environment_home)
        process.prepare(settings)
        return LAUNCHERS[name](settings)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code


def start_postgres(settings: Settings) -> int:
    """The private cluster; root becomes another user first."""
    command, account = postgres.build_command(settings), postgres.find_account()
    os.chdir("/")
    if account is not None:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
    return _become(command, {})


def start_prefect_server(settings: Settings) -> int:
    """Prefect's API, pages and background services, with a login."""
    variables = {
        # A port given as an argument would not reach its pages.
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        "PREFECT_SERVER_API_AUTH_STRING": credentials.ensure_prefect_login(settings),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # In memory, as Prefect has it, leases are gone after a restart, and a run that cannot renew its own ends itself.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # At a load of 15 on two cores a connection took longer than Prefect's own 5 s, and people were answered 500.
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "30",
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        # A worker takes 7 to 30 s to start a run; what is late after Prefect's own 15 s is often only on its way.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": str(LATE_SECONDS),
    }
    if settings.database == "postgres":
        uri = postgres.database_uri(settings, postgres.PREFECT, scheme="postgresql+asyncpg")
        variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = uri
    _forget_clients("PREFECT_API_URL", "PREFECT_API_AUTH_STRING")
    return _become([sys.executable, "-m", "prefect", "server", "start"], variables)


def start_mlflow_server(settings: Settings) -> int:
    """MLflow's registry and its files, for those with an account; its tables are made or brought up to date first."""
    artifacts = settings.environment_home / "registry" / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    uri = postgres.database_uri(settings, postgres.MLFLOW, scheme="postgresql+psycopg")
    os.environ |= {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_AUTH_CONFIG_PATH": str(_write_auth_config(settings)),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": credentials.ensure(settings, credentials.MLFLOW_ADMIN_PASSWORD),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": credentials.ensure(settings, credentials.MLFLOW_SESSION_KEY),
        # The job runner would be twelve more processes and 2 GB.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    _forget_clients("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    # Its commands run in this process: a command line would show the password, and each import of MLflow costs seconds.
    import mlflow.server
    from mlflow.cli import cli

    # It would start the server as a child and wait beside it, holding 290 MB for nothing.
    mlflow.server._exec_cmd = _replace  # ty: ignore[invalid-assignment] - MLflow's own also starts children that it returns
    # Two processes that make the tables at once break them; nobody else is in, since the server is not up.
    cli.main(["db", "upgrade", uri], standalone_mode=False)
    # One worker: with two or more, each request takes 43 ms longer.
    options = ["--host", HOST, "--port", str(settings.mlflow_port), "--workers", "1", "--app-name", "basic-auth"]
    cli.main(["server", *options, "--serve-artifacts", "--artifacts-destination", str(artifacts)], standalone_mode=False)
    return 0


def start_worker(settings: Settings) -> int:
    """The worker of the environment's pool, whose flow processes inherit these variables."""
    return _become([sys.executable, "-m", "operations.worker"], _client_variables())


def start_watcher(_settings: Settings) -> int:
    """The process that looks for new deliveries and for runs that died."""
    return _become([sys.executable, "-m", "operations.watch"], _client_variables())


def start_model_server(settings: Settings) -> int:
    """The model server, from the folder and with the packages of the deployed commit."""
    release = services.read_release(settings)
    if release is None:
        raise ServerError(f"there is no deployed commit to serve from; run make deploy ENV={settings.environment}")
    os.chdir(release["folder"])
    return _become([release["python"], "-m", "headrace.serving", "--use-case", services.choose_served(settings, release["use_cases"])], {})


LAUNCHERS = {
    services.POSTGRES.name: start_postgres,
    services.PREFECT_SERVER.name: start_prefect_server,
    services.MLFLOW_SERVER.name: start_mlflow_server,
    services.WORKER.name: start_worker,
    services.MODEL_SERVER.name: start_model_server,
    services.WATCHER.name: start_watcher,
}


def _client_variables() -> Mapping[str, str]:
    """What every process that speaks to the Prefect server, and its children, have in common."""
    return {
        # Without an address it would start a server of its own, and nobody would see its runs.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_WORKER_WEBSERVER_HOST": HOST,
        # Prefect's own 10 s would be most of the time between an event and the run that it starts.
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        # Two minutes in all, doubling from 2 s, also where the server answers 500 because its database is away: a restart is not the end.
        "PREFECT_CLIENT_MAX_RETRIES": "6",
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
        # People read a run's lines in Prefect's pages.
        "PREFECT_LOGGING_LEVEL": "INFO",
        # A flow writes into a pipe to its worker. When the worker is gone, Prefect's coloured console (rich) ends the process at the
        # next line (SystemExit); the plain handler that Prefect calls `debug` lets it work on.
        "PREFECT_LOGGING_ROOT_HANDLERS": "debug",
    }


def _write_auth_config(settings: Settings) -> Path:
    """MLflow takes the address of its accounts from a file only."""
    uri = postgres.database_uri(settings, postgres.MLFLOW_AUTH, scheme="postgresql+psycopg")
    lines = ["[mlflow]", "default_permission = READ", f"database_uri = {uri.replace('%', '%%')}", f"auth_cache_ttl_seconds = {_AUTH_CACHE_SECONDS}"]
    return credentials.write(settings, credentials.MLFLOW_AUTH_CONFIG, "\n".join(lines))


def _forget_clients(*names: str) -> None:
    """A server is nobody's client."""
    for name in names:
        os.environ.pop(name, None)


def _replace(command: Sequence[str], *, extra_env: Mapping[str, str], **_options: Any) -> None:
    _become([str(part) for part in command], extra_env)


def _become(command: Sequence[str], variables: Mapping[str, str]) -> int:
    os.environ.update(variables)
    os.execv(command[0], list(command))  # noqa: S606 - no shell, a program that we name


if __name__ == "__main__":
    sys.exit(main())
