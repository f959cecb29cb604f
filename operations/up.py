"""Start what an environment needs on this machine: database, servers, worker; what is up already is left alone."""

import argparse
import sys
import time
from collections.abc import Iterable
from itertools import groupby

from headrace import servers
from headrace.errors import ServerError
from headrace.settings import LOCAL_FILE, Settings, load_settings
from operations import credentials, postgres, processes, supervisor
from operations.accounts import ensure_account, ensure_models
from operations.health import Health, check_port_free, read_health
from operations.lock import hold
from operations.services import MLFLOW_SERVER, POSTGRES, Service, expected_services
from operations.supervisor import State

# A service that cannot start ends, and that is told within seconds; this is for a machine that has much else to do. A first start makes the
# tables of Prefect and MLflow: 330 s were seen at a load of 25 on two cores.
PATIENCE_SECONDS = 900

_LOOK_SECONDS = 0.5

# Silence of minutes looks like a hang.
_SAID_EVERY_SECONDS = 60

# Starts that ended at once, after which a person is told instead of waiting on.
_FAILED_STARTS = 3


def configure(_parser: argparse.ArgumentParser) -> None:
    """No arguments: the environment says it all."""


def run(settings: Settings, _options: argparse.Namespace) -> int:
    """Start everything, say so line by line, and return 0 when all of it is healthy."""
    check_no_overrides(settings)
    with hold(settings):
        started = start_environment(settings)
    say(f"{settings.environment} is up" if started else f"{settings.environment} was up already; nothing to start")
    say(f"credentials  {servers.secret_path(settings, '')} (Prefect's pages ask for the one in {servers.PREFECT_LOGIN})")
    say(f"logs         {settings.environment_home / 'log'}")
    return 0


def start_environment(settings: Settings, *, patience_seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Start every service that should be up and is not, in order, and wait until all are healthy.

    Args:
        settings: The environment.
        patience_seconds: Longest wait for one wave of services.

    Returns:
        Names of those started.

    Raises:
        ServerError: Something it needs is missing, a port is taken, or a service does not become healthy.
    """
    settings.environment_home.mkdir(parents=True, exist_ok=True)
    _ensure_credentials(settings)
    expected = expected_services(settings)
    if POSTGRES in expected and postgres.ensure_cluster(settings):
        say(f"postgres  made a cluster in {postgres.cluster_folder(settings)}")
    if supervisor.find_keeper(settings) is None:
        _end_left_over(settings)
        supervisor.start_keeper(settings)
    else:
        supervisor.add_new_programs(settings)
    if settings.database == "postgres" and POSTGRES not in expected:
        _ensure_databases(settings)
    started: list[str] = []
    for _, wave in groupby(expected, key=lambda service: service.wave):
        started += _start_wave(settings, list(wave), patience_seconds=patience_seconds)
    return started


def check_no_overrides(settings: Settings) -> None:
    """See that the servers will have the settings that this verb has: they outlive the shell and its `HEADRACE_*` variables.

    Raises:
        ServerError: A variable of this shell overrides a setting.
    """
    kept = load_settings(settings.environment, home=settings.home, variables={})
    overridden = [name for name in Settings.model_fields if getattr(kept, name) != getattr(settings, name)]
    if overridden:
        raise ServerError(
            f"{', '.join(f'HEADRACE_{name.upper()}' for name in overridden)} would hold for this shell and not for the servers; "
            f"unset it, and write {', '.join(overridden)} into {settings.environment_home / LOCAL_FILE}"
        )


def say(line: str) -> None:
    """A line for the person at the terminal, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _ensure_credentials(settings: Settings) -> None:
    """All at once, before anyone asks for them."""
    credentials.ensure_prefect_login(settings)
    if settings.database == "postgres":
        names = [servers.MLFLOW_PASSWORD, credentials.MLFLOW_ADMIN_PASSWORD, credentials.MLFLOW_SESSION_KEY]
        names += [credentials.POSTGRES_PASSWORD, *[credentials.database_password_name(purpose) for purpose in postgres.DATABASES]]
        for name in names:
            credentials.ensure(settings, name)


def _end_left_over(settings: Settings) -> None:
    """A keeper that was killed leaves its services behind; nobody would restart them, and they hold the ports."""
    if left := processes.find_marked(settings):
        say(f"keeper  was killed and left {len(left)} processes; they are ended first")
        processes.end_processes(left, patience_seconds=20)
    supervisor.forget_keeper(settings)


def _ensure_databases(settings: Settings) -> None:
    if created := postgres.ensure_databases(settings):
        say(f"postgres  made the databases {', '.join(created)}")


def _start_wave(settings: Settings, wave: Iterable[Service], *, patience_seconds: float) -> list[str]:
    """Start services that do not wait for each other; return the names of those that were not running."""
    states = supervisor.read_states(settings)
    idle = [service for service in wave if states[service.name].status not in ("RUNNING", "STARTING")]
    for service in idle:
        check_port_free(settings, service)
    for service in idle:
        supervisor.start(settings, service.name)
    began = time.monotonic()
    waiting, said = {service.name: service for service in wave}, began
    while waiting:
        states = supervisor.read_states(settings)
        for service in list(waiting.values()):
            health = read_health(settings, service, states[service.name])
            if health.is_healthy:
                del waiting[service.name]
                _finish(settings, service)
                word = f"up in {time.monotonic() - began:.0f} s" if service in idle else "was up"
                say(f"{service.name:14}  {word:12}  {service.address(settings)}")
            else:
                _check_hope(
                    settings, service, states[service.name], health, waited_seconds=time.monotonic() - began, patience_seconds=patience_seconds
                )
        if waiting and time.monotonic() - said > _SAID_EVERY_SECONDS:
            said = time.monotonic()
            say(f"  {', '.join(waiting)}: not healthy yet after {said - began:.0f} s; waiting for {patience_seconds / 60:.0f} minutes at most")
        if waiting:
            time.sleep(_LOOK_SECONDS)
    return [service.name for service in idle]


def wait_until_healthy(settings: Settings, service: Service, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a service that was started.

    Raises:
        ServerError: It ends again and again, or is not healthy in time.
    """
    began = time.monotonic()
    while not (health := read_health(settings, service, state := supervisor.read_states(settings)[service.name])).is_healthy:
        _check_hope(settings, service, state, health, waited_seconds=time.monotonic() - began, patience_seconds=patience_seconds)
        time.sleep(_LOOK_SECONDS)


def _finish(settings: Settings, service: Service) -> None:
    """What a service needs once it answers, before others use it."""
    if service == POSTGRES:
        _ensure_databases(settings)
    elif service == MLFLOW_SERVER:
        ensure_account(settings)
        ensure_models(settings)


def _check_hope(settings: Settings, service: Service, state: State, health: Health, *, waited_seconds: float, patience_seconds: float) -> None:
    """See that waiting for a service still makes sense.

    Raises:
        ServerError: It ended several times at once, or the patience is used up.
    """
    log = supervisor.log_path(settings, service.name)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    last = lines[-1] if lines else "its log is empty"
    # The keeper waits one second longer before each try, so this is the number of tries.
    is_failing = state.status == "FATAL" or (state.status == "BACKOFF" and waited_seconds > _FAILED_STARTS * (_FAILED_STARTS + 1) / 2)
    if is_failing:
        raise ServerError(f"{service.name} ends as soon as it is started ({last}); see {log}, mend it, and run make up again")
    if waited_seconds > patience_seconds:
        raise ServerError(f"{service.name} was not healthy after {waited_seconds:.0f} s ({health.note}); see {log}, and run make up again")
