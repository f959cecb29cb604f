"""Embedded servers: those of killed runs are ended, those of runs that live are left alone, whoever else works beside them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace import process

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc, which this system has not")

# A run that starts a server and lives until it is killed; like a verb, it does not have the server's variables itself.
RUN = """
import os, subprocess, sys, time
variables = {**os.environ, "PREFECT_HOME": sys.argv[1], "PREFECT__SERVER_EPHEMERAL": "1"}
server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=variables)
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def home(settings, monkeypatch):
    """The folder of Prefect's state, as it is where the caller has not set one."""
    monkeypatch.delenv("PREFECT_HOME")
    return settings.environment_home / "prefect"


@pytest.fixture
def start_run():
    started = []

    def start(home):
        run = subprocess.Popen([sys.executable, "-c", RUN, str(home)], stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        started.append((run, int(run.stdout.readline())))
        return started[-1]

    yield start
    for run, server in started:
        run.kill()
        run.wait()
        if is_alive(server):
            os.kill(server, 9)


def is_alive(pid):
    """Whether a process runs: one that ended and was not yet waited for by its parent does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_server_of_a_killed_run_is_ended(settings, home, start_run):
    run, server = start_run(home)
    run.kill()
    run.wait()
    assert process.end_orphaned_servers(settings) == 1
    for _ in range(100):
        if not is_alive(server):
            break
        time.sleep(0.05)
    assert not is_alive(server)


def test_the_server_of_a_run_that_lives_is_left_alone(settings, home, start_run):
    _, server = start_run(home)
    assert process.end_orphaned_servers(settings) == 0
    assert is_alive(server)


def test_the_server_of_another_environment_is_left_alone(settings, home, start_run):
    run, server = start_run(home.parent.with_name("staging") / "prefect")
    run.kill()
    run.wait()
    assert process.end_orphaned_servers(settings) == 0
    assert is_alive(server)
