"""The alias `champion` of a real MLflow registry, as the server asks for it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from headrace.errors import RegistryError
from headrace.models.scorer import load_scorer
from headrace.registry import versions
from headrace.serving.model_watcher import ModelWatcher, find_registered_champion
from headrace.settings import Settings
from tests.serving.tiny import FEATURES, TINY

Register = Callable[[str], versions.Version]


def test_no_alias_is_no_champion_and_no_error(settings: Settings) -> None:
    assert find_registered_champion(settings, TINY)() is None


def test_the_alias_is_followed_to_files_that_can_be_scored(settings: Settings, register: Register) -> None:
    find = find_registered_champion(settings, TINY)
    for model_id in ("first", "second"):
        version = register(model_id)
        versions.set_alias(settings, TINY, alias=versions.CHAMPION, number=version.number)
        found = find()
        assert found is not None
        assert (found.version, found.model_id) == (version.number, model_id)
        assert load_scorer(found.folder).features == FEATURES.names
        assert find() is found


def test_a_registry_that_is_down_cannot_tell(settings: Settings) -> None:
    down = settings.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    find = find_registered_champion(down, TINY)
    with pytest.raises(RegistryError, match="the registry of dev"):
        find()
    watcher = ModelWatcher(find, load=load_scorer, features_version=1)
    watcher.look()
    assert watcher.now.problem is not None
    assert watcher.now.problem.startswith("the registry of dev")


@pytest.mark.story
def test_following_the_alias_loads_no_pyfunc(settings: Settings, register: Register) -> None:
    """The process that serves, after it has found and loaded its champion."""
    versions.set_alias(settings, TINY, alias=versions.CHAMPION, number=register("first").number)
    script = """
import json, sys
from headrace.models.scorer import load_scorer
from headrace.serving import __main__
from headrace.serving.model_watcher import ModelWatcher, find_registered_champion
from tests.serving.tiny import TINY, tiny_settings
from pathlib import Path
watcher = ModelWatcher(find_registered_champion(tiny_settings(Path(sys.argv[1])), TINY), load=load_scorer, features_version=1)
watcher.look()
sys.stdout.write(json.dumps([watcher.now.champion is not None, sorted(sys.modules)]))
"""
    ended = subprocess.run([sys.executable, "-c", script, str(settings.home)], capture_output=True, text=True, check=True, env=os.environ)
    is_loaded, loaded = json.loads(ended.stdout.splitlines()[-1])
    assert is_loaded
    assert set(loaded).isdisjoint({"prefect", "great_expectations", "evidently", "mlflow.pyfunc", "mlflow.lightgbm", "optuna"})
