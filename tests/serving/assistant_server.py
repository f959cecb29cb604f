"""A server of the tiny assistant in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.llm.chain_candidate import CHAIN, Pins
from headrace.llm.gateway import read_identity
from headrace.llm.prompt_templates import read_prompt
from headrace.llm.prompts import register_prompt
from headrace.models.candidate import write_json
from headrace.settings import Settings
from tests.serving.server_process import ServerProcess
from tests.serving.tiny_assistant import ASSISTANT, World


class AssistantServer(ServerProcess):
    """A server with a promoted chain.

    Given a model, its chain pins that, and the prompt of the documentation's assistant, in a real registry.
    """

    def __init__(self, home: Path, model: dict[str, Any] | None = None) -> None:
        changes = {} if model is None else {"language_models": {"chat": model}, "serving_words": "on_request"}
        self.settings = Settings.model_validate({**World(home).settings.model_dump(), **changes})
        if model is not None:
            pin_model(self.settings, home)
        super().__init__(home, "tests.serving.run_tiny_assistant", changes)


def pin_model(settings: Settings, home: Path) -> None:
    """Let the chain pin the model and the prompt as they are."""
    prompt = register_prompt(settings, ASSISTANT.name, read_prompt("docs_assistant", "answer"))
    model = {"alias": "chat", **asdict(read_identity(settings, "chat"))}
    pinned = {"name": prompt.template.name, "version": prompt.version, "hash": prompt.hash}
    pins = Pins(retrieval={}, index={}, confidence={}, quoted=2, prompt=pinned, model=model, guardrails={})
    write_json(home / "chain-1" / CHAIN, vars(pins))


@contextmanager
def running(home: Path, model: dict[str, Any] | None = None) -> Iterator[AssistantServer]:
    """A server that is killed at the end."""
    server = AssistantServer(home, model)
    try:
        yield server
    finally:
        server.kill()
