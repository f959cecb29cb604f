"""A server of the tiny assistant in a process of its own."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from headrace.llm.chain_candidate import CHAIN, Pins
from headrace.llm.gateway import read_identity
from headrace.llm.prompt_templates import read_prompt
from headrace.llm.prompts import register_prompt
from headrace.models.candidate import write_json
from headrace.settings import Settings
from tests.serving.tiny_assistant import ASSISTANT, World


class AssistantServer(World):
    """A process on a free port, with a promoted chain.

    Given a model, its chain pins that, and the prompt of the documentation's assistant, in a real registry.
    """

    def __init__(self, home: Path, model: dict[str, Any] | None = None) -> None:
        super().__init__(home)
        self.changes: dict[str, Any] = {}
        if model is not None:
            self.changes = {"language_models": {"chat": model}, "serving_words": "on_request"}
            self.settings = Settings.model_validate({**self.settings.model_dump(), **self.changes})
            self.pin_model()
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = self.start()

    def pin_model(self) -> None:
        """Let the chain pin the model and the prompt as they are."""
        prompt = register_prompt(self.settings, ASSISTANT.name, read_prompt("docs_assistant", "answer"))
        model = {"alias": "chat", **asdict(read_identity(self.settings, "chat"))}
        pinned = {"name": prompt.template.name, "version": prompt.version, "hash": prompt.hash}
        pins = Pins(retrieval={}, index={}, confidence={}, quoted=2, prompt=pinned, model=model, guardrails={})
        write_json(self.home / "chain-1" / CHAIN, vars(pins))

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.serving.run_tiny_assistant", str(self.home), str(self.port), json.dumps(self.changes)]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health").status_code == 200:
                    return self.process
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not start: {(self.home / 'server.log').read_text(encoding='utf-8')}")


@contextmanager
def running(home: Path, model: dict[str, Any] | None = None) -> Iterator[AssistantServer]:
    """A server that is killed at the end."""
    server = AssistantServer(home, model)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
