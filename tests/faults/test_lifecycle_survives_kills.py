"""The whole lifecycle, through Prefect, killed at several places and run again: the tables come out the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.lifecycle import compare_tables, list_tables
from headrace.registry import versions
from headrace.settings import ROOT, load_settings
from tests.small_flights import small_flights

LIFECYCLE = ["lifecycle", "--use-case", "flight_delay"]

# In bronze of the first tick, between silver and its verdict, in the middle of training and promotion, between verdict and alias,
# in the scores of a later tick: the places are counted in writes from the start of each run.
KILLED_AFTER = (3, 9, 14, 6, 25)


def run_small(home: Path, steps: int, verb: list[str]) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "HEADRACE_ENV": "dev", "HEADRACE_HOME": str(home), "HEADRACE_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.run_small", str(steps), *verb]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=400, check=False)


@pytest.mark.slow
def test_a_lifecycle_that_is_killed_and_run_again_leaves_the_same_tables(tmp_path):
    undisturbed = run_small(tmp_path / "undisturbed", 0, LIFECYCLE)
    assert undisturbed.returncode == 0, undisturbed.stdout + undisturbed.stderr

    for steps in KILLED_AFTER:
        killed = run_small(tmp_path / "killed", steps, LIFECYCLE)
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    finished = run_small(tmp_path / "killed", 0, LIFECYCLE)
    assert finished.returncode == 0, finished.stdout + finished.stderr

    left, right = (load_settings("dev", home=tmp_path / name) for name in ("undisturbed", "killed"))
    assert len(list_tables(left)) > 20
    assert compare_tables(left, right) == []
    for alias in (versions.CHAMPION, versions.PREVIOUS_CHAMPION, versions.CHALLENGER):
        expected, found = (versions.read_alias(settings, small_flights(), alias=alias) for settings in (left, right))
        assert (expected and expected.number) == (found and found.number)

    repeated = run_small(tmp_path / "killed", 0, LIFECYCLE)
    assert repeated.returncode == 0
    assert "nothing to do" in repeated.stdout
    assert compare_tables(left, right) == []
