"""The documents say what the code does, and lead somewhere."""

import re
from pathlib import Path

import pytest

from headrace import errors
from headrace.settings import ROOT, Settings
from tests.conventions.repository import documents, read, repository_files
from tools.reference import DOCUMENTS, render

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ERRORS = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.HeadraceError)]
VERBS = re.findall(r"^([a-z0-9-]+):.*## ", read("Makefile"), re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_the_code_decides_is_current(document):
    assert render(document) == read(document), "run `make docs`"


def test_every_setting_is_explained():
    text = read("docs/reference/settings.md")
    assert [name for name in Settings.model_fields if f"`{name}`" not in text] == []


def test_every_error_is_explained_with_its_exit_code():
    text = read("docs/reference/errors.md")
    assert [found.__name__ for found in ERRORS if f"| {found.exit_code} | `{found.__name__}`" not in text] == []
    assert len({found.exit_code for found in ERRORS}) == len(ERRORS)
    assert errors.BLOCKED_EXIT_CODE not in {found.exit_code for found in ERRORS}


def test_the_tree_of_errors_is_drawn_as_it_is():
    tree = errors.__doc__ or ""
    drawn = dict(re.findall(r"(\w+Error) +(\d+)", tree))
    assert drawn == {
        found.__name__: str(found.exit_code) for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.HeadraceError)
    }


def test_every_verb_is_explained_and_none_is_invented():
    text = read("docs/reference/verbs.md")
    assert [verb for verb in VERBS if f"| `{verb}` |" not in text] == []
    named = {(path, verb) for path in documents() for verb in re.findall(r"`make ([a-z0-9-]+)", read(path))}
    assert {(str(path), verb) for path, verb in named if verb not in VERBS} == set()


def test_the_readme_is_short_and_begins_with_the_two_commands():
    text = read("README.md")
    assert len(text.splitlines()) <= 150
    assert "make run" in text.split("## ")[1]
    assert "make test" in text.split("## ")[1]


def test_the_changelog_has_a_place_for_what_is_not_released():
    assert "\n## [Unreleased]\n" in read("CHANGELOG.md")


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_relative_link_leads_to_a_file_and_a_heading(document):
    broken = []
    for target in LINK.findall(read(document)):
        path, _, heading = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (ROOT / document.parent / path).resolve() if path else ROOT / document
        if not file.exists() or not file.is_relative_to(ROOT) or (heading and heading not in headings(file)):
            broken.append(target)
    assert broken == []


def headings(file: Path) -> set[str]:
    """Anchors of a document, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_decision_fits_on_a_page_and_has_its_four_parts():
    records = [path for path in repository_files() if path.parts[:2] == ("docs", "adr") and path.name != "README.md"]
    assert records
    for record in records:
        assert re.findall(r"^## (.+)$", read(record), re.MULTILINE) == ["Context", "Decision", "Cost", "Revisit when"], record
        assert len(read(record).splitlines()) <= 60, record
        assert record.name in read("docs/adr/README.md")
