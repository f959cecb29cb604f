"""A server of the tiny assistant in a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.serving.tiny_assistant import World


class AssistantServer(World):
    """A process on a free port, with a promoted chain."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.serving.run_tiny_assistant", str(self.home), str(self.port)]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health").status_code == 200:
                    return self.process
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not start: {(self.home / 'server.log').read_text(encoding='utf-8')}")


@contextmanager
def running(home: Path) -> Iterator[AssistantServer]:
    """A server that is killed at the end."""
    server = AssistantServer(home)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
