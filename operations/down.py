"""Stop what `make up` started: the worker first, which lets its flow runs finish, the database last; nothing is left behind."""

import argparse
import time

from headrace.errors import ServerError
from headrace.settings import Settings
from operations import processes, supervisor
from operations.health import check_port_free
from operations.lock import hold
from operations.services import DRAIN_SECONDS, WORKER, Service, possible_services
from operations.up import say

_RUNNING = ("RUNNING", "STARTING", "BACKOFF", "STOPPING")


def configure(_parser: argparse.ArgumentParser) -> None:
    """No arguments: the environment says it all."""


def run(settings: Settings, _options: argparse.Namespace) -> int:
    """Stop everything and return 0 when nothing is left."""
    if supervisor.find_keeper(settings) is None and not processes.find_marked(settings):
        supervisor.forget_keeper(settings)
        say(f"{settings.environment} is not up; nothing to do")
        return 0
    with hold(settings):
        stop_environment(settings)
    say(f"{settings.environment} is down")
    return 0


def stop_environment(settings: Settings) -> None:
    """Stop every service in the reverse order of their start, then their keeper, and see that nothing is left.

    Raises:
        ServerError: A process does not end, or a port is still held.
    """
    services = list(reversed(possible_services(settings)))
    if supervisor.find_keeper(settings) is not None:
        states = supervisor.read_states(settings)
        for service in services:
            if service.name in states and states[service.name].status in _RUNNING:
                _stop(settings, service)
    supervisor.stop_keeper(settings)
    if left := processes.find_marked(settings):
        say(f"{len(left)} processes are left and are ended")
        processes.end_processes(left, patience_seconds=15)
    for service in services:
        _check_released(settings, service)


def _stop(settings: Settings, service: Service) -> None:
    """Stop one service; a worker says what it waits for."""
    began = time.monotonic()
    supervisor.stop(settings, service.name, waits=False)
    said = -1
    while (state := supervisor.read_states(settings)[service.name]).status in _RUNNING:
        runs = len(processes.read_children(state.pid)) if service == WORKER and state.pid else 0
        if runs and runs != said:
            say(f"{service.name:14}  lets {runs} flow runs finish, for {DRAIN_SECONDS} s at most")
            said = runs
        if time.monotonic() - began > service.stop_seconds + 30:
            raise ServerError(f"{service.name} does not end; see {supervisor.log_path(settings, service.name)}")
        time.sleep(0.2)
    say(f"{service.name:14}  ended in {time.monotonic() - began:.0f} s")


def _check_released(settings: Settings, service: Service) -> None:
    try:
        check_port_free(settings, service)
    except ServerError as error:
        raise ServerError(f"{service.name} has ended, but {error}") from error
