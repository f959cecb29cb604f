"""A real registry on SQLite with versions that hold real files: what registry and gate tests stand on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from headrace.registry import versions
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase
from tests.serving.tiny import TINY, write_model

SIGNATURE = ModelSignature(inputs=Schema([ColSpec("double", "hour")]), outputs=Schema([ColSpec("double", "probability_fraction")]))


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its schema. It takes seconds to make, and each conftest that names this fixture has a session of its own of it."""
    path = tmp_path_factory.getbasetemp() / "empty-registry" / "mlflow.db"
    if not path.exists():
        path.parent.mkdir()
        MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture(scope="session")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate's folder, fitted once."""
    folder = write_model(tmp_path_factory.mktemp("model") / versions.CANDIDATE_FOLDER, seed=1)
    for page in ("card.md", "metrics.json", "explanation.json"):
        (folder / page).write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def settings(tmp_path: Path, empty_registry: Path) -> Settings:
    """dev in a temporary home, with an empty registry."""
    found = load_settings("dev", home=tmp_path, variables={})
    (tmp_path / "dev" / "registry").mkdir(parents=True)
    shutil.copy(empty_registry, tmp_path / "dev" / "registry" / "mlflow.db")
    return found


@pytest.fixture
def case() -> UseCase:
    """The smallest use case."""
    return TINY


@pytest.fixture
def register(settings: Settings, case: UseCase, candidate: Path) -> Callable[[str], versions.Version]:
    """Register a version under a model id and make it challenger."""

    def register_version(model_id: str) -> versions.Version:
        version = versions.register(
            settings,
            case,
            candidate,
            model_id=model_id,
            signature=SIGNATURE,
            params={},
            metrics={},
            tags={"as_of": "2013-04-01"},
            tables={},
            requirements=[],
        )
        versions.set_alias(settings, case, alias=versions.CHALLENGER, number=version.number)
        return version

    return register_version
