"""What every test may rely on: state in a folder of its own, no variable of the person's shell, no call to anybody."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from headrace import process
from headrace.settings import OVERRIDE_PREFIX, Settings, load_settings

_HOME = pytest.StashKey[Path]()

# Folders whose tests start flows or servers, or run stages on real flights; single tests elsewhere carry the mark themselves.
STORIES = ("environment", "faults", "flows", "story")


# Minutes long each; `make drills` asks for them.
DRILLS = Path(__file__).parent / "drills"


def pytest_addoption(parser):
    parser.addoption("--drills", action="store_true", help="collect the drills, and nothing but what is named")


def pytest_ignore_collect(collection_path, config):
    return True if collection_path == DRILLS and not config.getoption("drills") else None


def pytest_configure(config):
    """Before any test module is imported, because Prefect and MLflow read their variables when they are."""
    for name in [name for name in os.environ if name.startswith((OVERRIDE_PREFIX, "PREFECT_", "MLFLOW_"))]:
        del os.environ[name]
    # Processes that tests start must not skip the cached bytecode, or each pays seconds for its imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.stash[_HOME] = Path(tempfile.mkdtemp(prefix="headrace-tests-"))
    process.prepare(load_settings("dev", home=config.stash[_HOME]))


def pytest_unconfigure(config):
    if _HOME in config.stash:
        shutil.rmtree(config.stash[_HOME], ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in STORIES:
            item.add_marker("story")


@pytest.fixture
def settings(tmp_path) -> Settings:
    """The environment dev, empty."""
    return load_settings("dev", home=tmp_path)
