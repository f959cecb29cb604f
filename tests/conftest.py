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
STORIES = ("environment", "faults", "flows", "isolation", "story")

# Files in other folders that take two seconds and more, for they make many tables, a registry or a process: `make check` is over in a minute.
SLOW_FILES = {
    "": "probes",
    "console": "catalog_page notes runs_page story",
    "conventions": "code packages",
    "explore": "lake",
    "features": "online windows",
    "gates": "approval_blocks challenger_words_block rollback_and_registry_block",
    "inventory": "measures",
    "lake": "concurrency quality suites table_schema tables upstream",
    "llm": "document_folder embedding feedback_loop gateway hub prompts traces wording_records",
    "llm/monitoring": "live",
    "models": "scorer",
    "monitoring": "recording",
    "operations": "backup checks postgres releases reset",
    "registry": "born_once history",
    "scaffold": "kinds making more odd_tables",
    "serving": "app chat imports inference_log words",
    "tasks": "approval imports",
    "tools": "secret_scan workflows",
    "use_cases": "flight_delay_features flight_delay_source",
}
SLOW_PATHS = {Path(__file__).parent / folder / f"test_{name}.py" for folder, names in SLOW_FILES.items() for name in names.split()}


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
    if gone := sorted(str(path) for path in SLOW_PATHS if not path.exists()):
        raise pytest.UsageError(f"SLOW_FILES names what is not there: {', '.join(gone)}")
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
        if item.path in SLOW_PATHS or item.path.relative_to(Path(__file__).parent).parts[0] in STORIES:
            item.add_marker("story")


@pytest.fixture
def settings(tmp_path) -> Settings:
    """The environment dev, empty."""
    return load_settings("dev", home=tmp_path)
