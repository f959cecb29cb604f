"""A real server in a process of its own: killed, ended, started twice."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from headrace.errors import ServingError, UseCaseError
from headrace.lake import tables
from headrace.serving.drain import drain
from headrace.serving.inference_log import list_segments, log_folder
from headrace.serving.request_rows import requests_table
from tests.serving.server_process import ServerProcess
from tests.serving.tiny import PURCHASE, TINY, FileRegistry, publish_returns, tiny_settings, write_model

BODY = {"rows": [PURCHASE, {**PURCHASE, "shop": "south"}]}


class Server(ServerProcess):
    """A server with a promoted model and online features."""

    def __init__(self, home: Path) -> None:
        self.settings, self.registry = tiny_settings(home), FileRegistry(home / "champion.json")
        self.registry.promote(1, write_model(home / "model-1", seed=1))
        publish_returns(self.settings)
        super().__init__(home, "tests.serving.run_tiny")

    def stored_ids(self) -> list[str]:
        frame: pl.DataFrame = tables.read(self.settings, requests_table("tiny")).select("request_id").collect()
        return sorted(frame["request_id"].to_list())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    running.kill()


class Load(threading.Thread):
    """Asks without pause until the server is gone, and keeps the ids that were answered with 200."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self.url, self.prefix = url, name
        self.answered: list[str] = []
        self.other: list[Any] = []

    def run(self) -> None:
        with httpx.Client(base_url=self.url) as client:
            for number in range(1_000_000):
                request_id = f"{self.prefix}-{number}"
                try:
                    response = client.post("/predict", json=BODY, headers={"X-Request-ID": request_id})
                except httpx.TransportError:
                    return
                if response.status_code == 200:
                    self.answered.extend(row["request_id"] for row in response.json()["predictions"])
                else:
                    self.other.append((response.status_code, response.text))


def under_load(server: Server, *, seconds: float, end: int) -> list[str]:
    """Ask from six threads, signal the server in the middle of it, and return the ids of all rows that were answered.

    The signal comes after some seconds and some answers: beside other work the first answer may take longer.
    """
    callers = [Load(server.url, f"caller{number}-{time.monotonic_ns()}") for number in range(6)]
    for caller in callers:
        caller.start()
    time.sleep(seconds)
    deadline = time.monotonic() + 30
    while sum(len(caller.answered) for caller in callers) < 30 and time.monotonic() < deadline:
        time.sleep(0.02)
    server.process.send_signal(end)
    server.process.wait(timeout=30)
    for caller in callers:
        caller.join()
    assert [other for caller in callers for other in caller.other] == []
    return [row_id for caller in callers for row_id in caller.answered]


@pytest.mark.story
def test_every_reply_is_in_the_table_once_also_after_kill_9(server: Server) -> None:
    """Killed twice, while segments are drained in the background; what is left is drained by another process, as `monitor` does."""
    answered = []
    for seconds in (0.7, 1.1):
        answered += under_load(server, seconds=seconds, end=signal.SIGKILL)
        if seconds == 0.7:
            server.start()
    assert len(answered) > 50
    drain(server.settings, TINY)
    stored = server.stored_ids()
    assert len(stored) == len(set(stored))
    assert set(answered) <= set(stored)
    # Beyond the replies there are at most the rows whose reply the kill overtook: one request per caller and kill.
    assert len(stored) - len(answered) <= 2 * 6 * len(BODY["rows"])
    assert list_segments(log_folder(server.settings, "tiny")) == []


@pytest.mark.story
def test_a_retry_after_kill_9_is_told_what_the_dead_server_said(server: Server) -> None:
    """The model changes in between, so that a new answer would be another."""
    headers = {"X-Request-ID": "retried"}
    first = httpx.post(f"{server.url}/predict", json=BODY, headers=headers)
    server.kill()
    server.registry.promote(2, write_model(server.home / "model-2", seed=2))
    server.start()
    assert httpx.post(f"{server.url}/predict", json=BODY, headers=headers).json() == first.json()
    assert httpx.post(f"{server.url}/predict", json=BODY).json()["predictions"][0]["model_version"] == 2


@pytest.mark.story
def test_sigterm_answers_what_it_has_drains_and_ends_with_0(server: Server) -> None:
    answered = under_load(server, seconds=0.5, end=signal.SIGTERM)
    assert server.process.returncode == 0
    assert sorted(answered) == server.stored_ids()
    assert list_segments(log_folder(server.settings, "tiny")) == []
    assert "Traceback" not in server.output()


@pytest.mark.story
def test_a_port_in_use_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_verb(tmp_path, "flight_delay", HEADRACE_SERVING_PORT=str(port))
    assert ended.returncode == ServingError.exit_code
    assert ended.stderr.splitlines()[-1].startswith(f"127.0.0.1:{port} cannot be served (Address already in use); end what uses it")
    assert "Traceback" not in ended.stderr


@pytest.mark.story
def test_an_unknown_use_case_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    ended = run_verb(tmp_path, "flight_delays")
    assert ended.returncode == UseCaseError.exit_code
    assert ended.stderr.startswith("use case 'flight_delays' has no folder")


@pytest.mark.story
def test_the_verb_serves_an_empty_environment_with_a_sentence(tmp_path: Path) -> None:
    """Nothing was run yet: no registry, no features. The server says so, and ends as it is told."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    environment = {"HEADRACE_ENV": "dev", "HEADRACE_HOME": str(tmp_path), "HEADRACE_SERVING_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "headrace.serving", "--use-case", "flight_delay"], env=environment, stderr=subprocess.PIPE)
    try:
        health = httpx.get(f"http://127.0.0.1:{port}/health", timeout=60) if is_listening(port) else None
        process.terminate()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert health is not None
    assert health.status_code == 503
    assert "the registry says that there is no champion; train and promote one" in health.json()["problems"]
    assert process.returncode == 0
    assert b"Traceback" not in errors


def is_listening(port: int) -> bool:
    """Whether somebody listens within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def run_verb(home: Path, use_case: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m headrace.serving` with no more of this process's environment than it needs."""
    environment = {"HEADRACE_ENV": "dev", "HEADRACE_HOME": str(home), **variables}
    command = [sys.executable, "-m", "headrace.serving", "--use-case", use_case]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
