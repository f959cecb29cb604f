"""Where tests find the models of the hub: in the clone's own state, fetched by the first test that needs one."""

from pathlib import Path

import pytest

from headrace.errors import ModelError
from headrace.llm import hub
from headrace.settings import load_settings


def find_model(name: str) -> Path:
    """The files of an entry of the hub; without network and before the first fetch the test is skipped, and says so."""
    try:
        return hub.fetch(load_settings("dev", variables={}), name)
    except ModelError as error:
        pytest.skip(f"{name} cannot be had here: {error}")
