"""The whole lifecycle, through Prefect, killed at several places and run again: the tables come out the same."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.lifecycle import compare_tables, list_tables
from headrace.registry import versions
from headrace.settings import ROOT, Settings, load_settings
from tests.small_flights import small_flights

pytestmark = pytest.mark.long

LIFECYCLE = ["lifecycle", "--use-case", "flight_delay"]

# Writes after which each run dies; the next goes on where it was cut off. The first dies among the verdicts of silver, the second
# in the registry. A drill dies twice more, in bronze and in the ticks after the promotion.
KILLED_AFTER = (26, 6)


@dataclass(frozen=True)
class Finished:
    """How a run ended, and what it said."""

    code: int
    text: str


def run_small(home: Path, steps: int, verb: list[str]) -> Finished:
    """Run a verb in a process of its own. What it says goes to a file: a killed run's server would keep a pipe open."""
    variables = {**os.environ, "HEADRACE_ENV": "dev", "HEADRACE_HOME": str(home), "HEADRACE_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.run_small", str(steps), *verb]
    home.mkdir(exist_ok=True)
    with (home / "said.txt").open("w+") as said:
        code = subprocess.run(command, cwd=ROOT, env=variables, stdout=said, stderr=said, timeout=400, check=False).returncode
        said.seek(0)
        return Finished(code, said.read())


def list_servers(home: Path) -> list[str]:
    """Process ids of embedded Prefect servers that work for a home."""
    mark = f"PREFECT_HOME={home / 'dev' / 'prefect'}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            variables = path.read_bytes().split(b"\0")
            if mark in variables and b"PREFECT__SERVER_EPHEMERAL=1" in variables:
                found.append(path.parent.name)
    return found


def play_twice(folder: Path, killed_after: Sequence[int]) -> tuple[Settings, Settings]:
    """Play it undisturbed, and once more through deaths after so many writes each; the environments that are left."""
    undisturbed = run_small(folder / "undisturbed", 0, LIFECYCLE)
    assert undisturbed.code == 0, undisturbed.text

    for steps in killed_after:
        killed = run_small(folder / "killed", steps, LIFECYCLE)
        assert killed.code == -signal.SIGKILL, killed.text
    finished = run_small(folder / "killed", 0, LIFECYCLE)
    assert finished.code == 0, finished.text
    return load_settings("dev", home=folder / "undisturbed"), load_settings("dev", home=folder / "killed")


def test_a_lifecycle_that_is_killed_and_run_again_leaves_the_same_tables(tmp_path):
    left, right = play_twice(tmp_path, KILLED_AFTER)
    assert len(list_tables(left)) > 20
    assert compare_tables(left, right) == []
    for alias in (versions.CHAMPION, versions.PREVIOUS_CHAMPION, versions.CHALLENGER):
        expected, found = (versions.read_alias(settings, small_flights(), alias=alias) for settings in (left, right))
        assert (expected and expected.number) == (found and found.number)

    repeated = run_small(tmp_path / "killed", 0, LIFECYCLE)
    assert repeated.code == 0, repeated.text
    assert "nothing to do" in repeated.text
    assert compare_tables(left, right) == []

    # Each killed run left its embedded server behind; the next run ended it.
    assert list_servers(tmp_path / "killed") == []
