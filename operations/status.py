"""What is up in an environment: services with address, health, version, memory, process and age; deployed commit, logs, credentials."""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace import servers
from headrace.settings import Settings
from operations import processes, supervisor
from operations.health import Health, read_health
from operations.services import Service, expected_services, read_release
from operations.supervisor import State
from operations.up import say


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        service: The service.
        state: What its keeper says.
        health: What it says itself.
        memory_mb: Resident memory with its children (MB); 0 when it does not run.
        uptime_seconds: Since it was last started; 0 when it does not run.
    """

    service: Service
    state: State
    health: Health
    memory_mb: float
    uptime_seconds: float


def configure(_parser: argparse.ArgumentParser) -> None:
    """No arguments: the environment says it all."""


def run(settings: Settings, _options: argparse.Namespace) -> int:
    """Write the table; 0 when everything that should be up is healthy, else 1."""
    keeper = supervisor.find_keeper(settings)
    if keeper is None:
        say(f"{settings.environment} is not up; run make up ENV={settings.environment}")
        return 1
    rows = read_rows(settings)
    say(render(settings, rows, keeper_memory_mb=processes.read_memory_mb(keeper)))
    return 0 if all(row.health.is_healthy for row in rows) else 1


def read_rows(settings: Settings) -> list[Row]:
    """How every service is that should be up."""
    states, rows = supervisor.read_states(settings), []
    absent = State(status="STOPPED", pid=0, started=0, note="unknown to the keeper; run make up")
    for service in expected_services(settings):
        state = states.get(service.name, absent)
        memory = processes.read_memory_mb(state.pid) if state.pid else 0.0
        uptime = time.time() - state.started if state.pid else 0.0
        rows.append(Row(service=service, state=state, health=read_health(settings, service, state), memory_mb=memory, uptime_seconds=uptime))
    return rows


def render(settings: Settings, rows: Sequence[Row], *, keeper_memory_mb: float) -> str:
    """The table and what stands under it.

    Args:
        settings: The environment.
        rows: One per service.
        keeper_memory_mb: Resident memory of the keeper and of everything it started (MB).
    """
    cells = [("service", "health", "version", "MB", "pid", "up for", "address")]
    for row in rows:
        health = ("healthy" if row.health.is_healthy else "UNHEALTHY") + (f": {row.health.note}" if row.health.note else "")
        numbers = (f"{row.memory_mb:.0f}", str(row.state.pid), _duration(row.uptime_seconds)) if row.state.pid else ("-", "-", "-")
        cells.append((row.service.name, health, row.health.version or "-", *numbers, row.service.address(settings)))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    release = read_release(settings)
    lines += [
        "",
        f"memory       {keeper_memory_mb:.0f} MB in all, the keeper's included; what processes share counts in each",
        f"deployed     {_describe_release(release) if release else f'nothing; make deploy ENV={settings.environment}'}",
        f"logs         {settings.environment_home / 'log'}",
        f"credentials  {servers.secret_path(settings, '')}",
    ]
    return "\n".join(lines)


def _describe_release(release: Mapping[str, Any]) -> str:
    return f"{release['commit']}, of {', '.join(release['use_cases'])}"


def _duration(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
