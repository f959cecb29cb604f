"""One candidate, built once for all tests that only read it."""

from pathlib import Path

import pytest

from headrace.models.training import CandidateReport, build_candidate
from tests.models.purchases import AS_OF, CASE, labelled_purchases


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CandidateReport]:
    """The folder of a candidate, and the report on it."""
    folder = tmp_path_factory.mktemp("candidate")
    return folder, build_candidate(labelled_purchases(), case=CASE, as_of=AS_OF, seed=1, threads=1, folder=folder, provenance={"commit": "abc"})
