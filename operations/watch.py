"""The watcher of an environment: `python -m operations.watch`, kept by supervisord beside the servers.

Every 15 seconds it looks at the Prefect server and does what Prefect leaves undone: it resumes runs that no process works on
(`lost_runs`), skips what a schedule missed (`late_runs`), gives back slots that nobody holds (`held_slots`), and every minute it
tells of deliveries that landed (`landed`). It keeps nothing: what it knows it reads again, so it may be killed at any time.
"""

import argparse
import fcntl
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from headrace import process
from headrace.errors import HeadraceError, ServerError
from headrace.settings import ROOT, Settings, load_settings
from operations.held_slots import free_held_slots
from operations.late_runs import skip_late_runs
from operations.lost_runs import Sight, resume_lost_runs
from operations.orchestrator import Orchestrator
from operations.services import read_release

logger = logging.getLogger("headrace.operations.watch")

EVERY_SECONDS = 15

# Longest pause between two tries while the server is away.
LONGEST_PAUSE_SECONDS = 60

# A look at the sources is a process of its own and costs one to two CPU-seconds.
LANDED_EVERY = timedelta(minutes=1)
LANDED_TIMEOUT_SECONDS = 300


@dataclass
class Memory:
    """What one look leaves for the next; lost with the process, at the cost of some patience.

    Attributes:
        sight: What was seen of runs.
        held_since: Concurrency limit -> since when (UTC) it counts more than its runs.
        landed_at: Last look at the sources (UTC).
        trouble: What that look said, so that it is logged once.
        told: Ids of events that were sent.
    """

    sight: Sight
    landed_at: datetime
    held_since: dict[str, datetime] = field(default_factory=dict)
    trouble: str = ""
    told: set[str] = field(default_factory=set)


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch the environment of this process until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m operations.watch", description=__doc__)
    parser.add_argument("--every", type=float, default=EVERY_SECONDS, help="seconds between two looks")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        process.prepare(settings)
        process.start_logging(settings, name="watch")
        with alone(settings):
            watch(settings, every=options.every)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


@contextmanager
def alone(settings: Settings) -> Generator[None]:
    """Hold the environment's watch; where another process holds it, wait until that one ends."""
    path = settings.environment_home / "run" / "watch.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another watcher is at work; waiting until it ends")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def watch(settings: Settings, *, every: float, ended: Callable[[], bool] = lambda: False) -> None:
    """Look again and again; a server that is away is waited for.

    Args:
        settings: The environment.
        every: Seconds between two looks.
        ended: Asked after every look.
    """
    memory = Memory(sight=Sight(steady_since=datetime.now(UTC)), landed_at=datetime.min.replace(tzinfo=UTC))
    failed = 0
    while not ended():
        try:
            with Orchestrator(settings) as orchestrator:
                look(orchestrator, settings, memory, now=datetime.now(UTC))
        except ServerError as error:
            if not failed:
                logger.warning("waiting for the server: %s", error)
            failed += 1
        else:
            if failed:
                # Heartbeats of that time went nowhere, so silence is counted from here.
                memory.sight.steady_since = datetime.now(UTC)
                logger.info("the server answers again, after %s looks without", failed)
            failed = 0
        time.sleep(min(every * 2**failed, max(every, LONGEST_PAUSE_SECONDS)))


def look(orchestrator: Orchestrator, settings: Settings, memory: Memory, *, now: datetime) -> None:
    """Look once, at an instant (UTC)."""
    resume_lost_runs(orchestrator, memory.sight, now=now)
    free_held_slots(orchestrator, memory.held_since, now=now)
    if settings.clock == "wall":
        # In a replay no run stands for an instant that was missed.
        skip_late_runs(orchestrator, now=now)
    # A replay brings its own ticks, so nothing lands there but in a folder of one's own documents, which has no past.
    if (settings.clock == "wall" or settings.documents_root is not None) and now - memory.landed_at >= LANDED_EVERY:
        memory.landed_at = now
        tell_landed(orchestrator, settings, memory)


def tell_landed(orchestrator: Orchestrator, settings: Settings, memory: Memory) -> None:
    """Ask the deployed release what has landed, and send the events that are new."""
    release = read_release(settings)
    if release is None:
        return
    python, folder = release.get("python") or sys.executable, release.get("folder") or ROOT
    command = [python, "-m", "operations.landed", *(part for name in release.get("use_cases") or [] for part in ("--use-case", name))]
    # A release has no landing folder: its runs look into that of the clone in which it was deployed, and so does this.
    variables = os.environ | ({"HEADRACE_LANDING_ROOT": release["landing"]} if release.get("landing") else {})
    try:
        # Its working folder comes first among its imports.
        answer = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=LANDED_TIMEOUT_SECONDS, check=False)
        trouble = answer.stderr.strip()[-2_000:] if answer.returncode else ""
        events = [json.loads(line) for line in answer.stdout.splitlines()]
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        trouble, events = f"{type(error).__name__}: {error}", []
    if trouble and trouble != memory.trouble:
        logger.warning("the sources could not all be looked at: %s", trouble)
    memory.trouble = trouble
    new = [event for event in events if event["id"] not in memory.told]
    if new:
        orchestrator.emit(new)
        memory.told |= {event["id"] for event in new}
        logger.info("landed: %s", ", ".join(event["payload"]["subject"] for event in new))


if __name__ == "__main__":
    sys.exit(main())
