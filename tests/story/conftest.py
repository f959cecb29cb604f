"""A small lake of real flights with a trained candidate, made once; each test gets a copy that it may break."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.features import refresh
from headrace.lake import ingestion, refinement
from headrace.registry import challengers, versions
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase
from tests.small_flights import small_flights

TRAINED_AS_OF = datetime(2013, 2, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Bench:
    """A home with silver, gold and a candidate's folder, and nothing registered yet."""

    settings: Settings
    case: UseCase
    folder: Path

    def register(self, model_id: str, *, spoil: Callable[[Path], None] | None = None, **tags: str) -> versions.Version:
        """Register a copy of the candidate, spoilt first where a function says how, as challenger."""
        copy = self.settings.home / "copies" / model_id / versions.CANDIDATE_FOLDER
        shutil.copytree(self.folder, copy)
        if spoil is not None:
            spoil(copy)
        given = {"as_of": "2013-02-15T00:00:00Z", "commit": "0" * 40, "code_hash": "0" * 16} | tags
        tables = {"gold.flight_delay_features": 1}
        version = challengers.register_folder(self.settings, self.case, copy, model_id=model_id, tags=given, tables=tables)
        versions.set_alias(self.settings, self.case, alias=versions.CHALLENGER, number=version.number)
        return version


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ingest, refine, featurize and train, once."""
    home, case = tmp_path_factory.mktemp("trained"), small_flights()
    settings = load_settings("dev", home=home, variables={"HEADRACE_THREADS": "1"})
    for feed in case.feeds:
        assert ingestion.append_feed(settings, case, feed, as_of=TRAINED_AS_OF).decision.passed
        assert refinement.refine_feed(settings, case, feed, as_of=TRAINED_AS_OF).decision.passed
    assert refresh.append_features(settings, case, as_of=TRAINED_AS_OF).decision.passed
    decision = challengers.build(settings, case, challengers.identify(settings, case, as_of=TRAINED_AS_OF))
    assert decision.passed, decision.reason
    return home


@pytest.fixture
def bench(trained_home: Path, tmp_path: Path) -> Bench:
    """A copy of the trained home."""
    home = tmp_path / "home"
    shutil.copytree(trained_home, home)
    settings = load_settings("dev", home=home, variables={"HEADRACE_THREADS": "1"})
    (folder,) = (home / "dev" / "run").glob(f"*/{versions.CANDIDATE_FOLDER}")
    return Bench(settings=settings, case=small_flights(), folder=folder)
