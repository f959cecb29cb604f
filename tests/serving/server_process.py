"""A server in a process of its own, which a test may kill and start again."""

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx


class ServerProcess:
    """A process on a free port, with settings of its own; what it says is in `server.log` of its home."""

    def __init__(self, home: Path, module: str, changes: dict[str, Any] | None = None) -> None:
        self.home, self.module, self.changes = home, module, changes or {}
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, and wait until it is ready to answer."""
        command = [sys.executable, "-m", self.module, str(self.home), json.dumps({"serving_port": self.port, **self.changes})]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health").status_code == 200:
                    return self.process
            time.sleep(0.05)
        raise AssertionError(f"the server did not start: {self.output()}")

    def output(self) -> str:
        return (self.home / "server.log").read_text(encoding="utf-8")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
