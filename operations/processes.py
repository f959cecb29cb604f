"""Processes of this machine: what they keep in memory, whose children they are, and which belong to an environment."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.settings import Settings

# Every process that an environment's keeper started has it, and so have its children: the folder of that environment's state.
# It is no HEADRACE_ variable, because those are overrides of settings.
MARK = "SERVES_ENVIRONMENT"

_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process that has not ended.

    Attributes:
        pid: Its number.
        parent: The number of the process that started it, or has adopted it.
        memory_bytes: Its resident memory; what it shares with others counts.
    """

    pid: int
    parent: int
    memory_bytes: int


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that ended and was not yet waited for is gone."""
    return any(found.pid == pid for found in read_processes())


def read_processes() -> list[Process]:
    """Every process of the machine that has not ended."""
    return list(_read_proc() if _PROC.is_dir() else _read_ps())


def read_children(pid: int) -> list[int]:
    """Processes below this one, all generations, without itself."""
    parents: dict[int, list[int]] = {}
    for found in read_processes():
        parents.setdefault(found.parent, []).append(found.pid)
    below, queue = [], [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        below += children
        queue += children
    return below


def read_memory_mb(pid: int) -> float:
    """Resident memory of a process and its children (MB of 10^6 bytes); pages they share count in each."""
    family = {pid, *read_children(pid)}
    return sum(found.memory_bytes for found in read_processes() if found.pid in family) / 1e6


def find_marked(settings: Settings) -> list[int]:
    """Processes that a keeper of this environment started, and their children; where there is no `/proc` (macOS), none can be found."""
    mark = f"{MARK}={settings.environment_home}".encode()
    found = []
    for process in read_processes():
        try:
            is_ours = mark in (_PROC / str(process.pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            # It ended while we looked, or is another user's.
            continue
        if is_ours and process.pid != os.getpid():
            found.append(process.pid)
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended by now."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def end_processes(pids: Collection[int], *, patience_seconds: float) -> None:
    """Tell processes to end, and kill those that have not after `patience_seconds`."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            send(pid, number)
        if wait_for_end(pids, seconds=patience_seconds):
            return


def wait_for_end(pids: Collection[int], *, seconds: float) -> bool:
    """Wait until none of these runs; False when one still does after `seconds`."""
    deadline = time.monotonic() + seconds
    while any(found.pid in pids for found in read_processes()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _read_proc() -> Iterator[Process]:
    page = os.sysconf("SC_PAGE_SIZE")
    for folder in _PROC.glob("[0-9]*"):
        try:
            # The name, in brackets, may hold spaces and brackets.
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            pages = int((folder / "statm").read_text().split()[1])
        except (OSError, ValueError):
            # It ended while we looked.
            continue
        if state != "Z":
            yield Process(pid=int(folder.name), parent=int(parent), memory_bytes=pages * page)


def _read_ps() -> Iterator[Process]:
    listed = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid=,rss=,state="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        pid, parent, kilobytes, state = line.split()
        if not state.startswith("Z"):
            yield Process(pid=int(pid), parent=int(parent), memory_bytes=int(kilobytes) * 1024)
