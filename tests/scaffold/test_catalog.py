"""A use case that was just made is in the catalog at once, and in the documents from when git tracks it."""

import subprocess

import pytest

from benchmarks.use_cases.clone import Clone
from benchmarks.use_cases.real_tables import bundesliga
from tests.scaffold.test_running import ASKED

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    made = Clone(tmp_path_factory.mktemp("catalogued"), threads=1)
    subprocess.run(["git", "init", "-q"], cwd=made.folder, check=True)
    subprocess.run(["git", "add", "."], cwd=made.folder, check=True)
    bundesliga().write_csv(made.folder / "matches.csv")
    made.make_use_case(made.folder / "matches.csv", ASKED)
    return made


def test_the_page_of_an_empty_environment_has_its_tables_and_features(clone):
    said = clone.type("headrace.console", "catalog", "--use-case", "bundesliga")
    page = (clone.home / "dev" / "catalog_bundesliga.html").read_text(encoding="utf-8")
    assert "0 written with 0 rows" in said
    assert 'id="silver.bundesliga_matches"' in page
    assert "silver.flight_delay_weather" not in page
    assert "Nobody has said" not in page


def test_the_documents_have_it_from_when_git_tracks_it(clone):
    assert "catalog.md" not in clone.type("tools.reference")
    said = clone.type("pytest", "-q", "-p", "no:cacheprovider", "tests/conventions/test_docs.py", "-k", "current")
    assert "failed" not in said
    subprocess.run(["git", "add", "."], cwd=clone.folder, check=True)
    told = clone.type("pytest", "-q", "-p", "no:cacheprovider", "tests/conventions/test_docs.py", "-k", "current", code=1)
    assert "docs/reference/catalog.md is not what code, contracts and use cases say now" in told
    assert "Run `make docs`" in told
    assert "wrote docs/reference/catalog.md" in clone.type("tools.reference")
    text = (clone.folder / "docs" / "reference" / "catalog.md").read_text(encoding="utf-8")
    assert "### Features of bundesliga" in text
    assert "#### gold.bundesliga_features" in text
