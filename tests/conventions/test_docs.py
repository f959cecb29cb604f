"""The documents say what the code does, and lead somewhere."""

import re
import subprocess
from itertools import zip_longest
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from benchmarks.use_cases.public_templates import format_templates
from headrace import errors
from headrace import use_case as use_cases
from headrace.inventory.entries import list_declared
from headrace.lake.contracts import CONTRACTS
from headrace.settings import ROOT, Settings
from tests.conventions.repository import documents, read, repository_files
from tools.reference import CATALOG, CONTRACT_PARTS, DOCUMENTS, list_tracked_use_cases, render

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ERRORS = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.HeadraceError)]
VERBS = re.findall(r"^([a-z0-9-]+):.*## ", read("Makefile"), re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_the_code_decides_is_current(document):
    current = find_difference(read(document), render(document))
    assert current is None, f"{document} is not what code, contracts and use cases say now ({current}). Run `make docs` and commit what it writes."


def find_difference(written: str, rendered: str) -> str | None:
    """The first line at which a document differs from what would be written: two whole pages side by side say less."""
    pairs = zip_longest(written.splitlines(), rendered.splitlines())
    found = [(number, there, expected) for number, (there, expected) in enumerate(pairs, 1) if there != expected]
    return f"line {found[0][0]} is {found[0][1]!r}, expected {found[0][2]!r}" if found else None


def test_a_stale_document_is_told_by_its_first_line_that_differs():
    assert find_difference("a\nb\n", "a\nb\n") is None
    assert find_difference("a\nb\n", "a\nc\nd\n") == "line 2 is 'b', expected 'c'"
    assert find_difference("a\n", "a\nb\n") == "line 2 is None, expected 'b'"


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


def test_every_key_of_a_contract_is_explained_in_words_of_its_own():
    text = read("docs/reference/contracts.md")
    parts = {heading: part for heading, _, part in (found.partition("\n") for found in text.split("### ")[1:])}
    for heading, model in CONTRACT_PARTS.items():
        assert [key for key in model.model_fields if f"| `{key}` |" not in parts[heading]] == []
        assert [key for key, field in model.model_fields.items() if not (field.description or "").strip()] == []


def test_every_part_of_a_contract_has_its_table():
    # A model that a field of another holds is a part too, whoever adds it.
    named = {found for model in CONTRACT_PARTS.values() for found in find_models(model)}
    assert named <= set(CONTRACT_PARTS.values())


def find_models(model: type[BaseModel]) -> set[type[BaseModel]]:
    annotations = [field.annotation for field in model.model_fields.values()]
    inner = [part for annotation in annotations for part in (annotation, *get_args(annotation))]
    return {part for part in inner if isinstance(part, type) and issubclass(part, BaseModel)}


@pytest.mark.parametrize("name", list_tracked_use_cases())
def test_every_table_and_feature_that_git_tracks_is_in_the_catalog(name):
    text, case = read(CATALOG), use_cases.load(name)
    assert [feature for feature in case.features.names if f"| `{feature}` |" not in text] == []
    tables = [path.stem for folder in (name, "metrics") for path in (CONTRACTS / folder).glob("*.yaml")]
    assert [table for table in tables if f"#### {table}\n" not in text] == []
    assert [table for table in list_declared(case) if f"`{table}`" not in text and f"[{table}]" not in text] == []


def test_a_use_case_that_git_does_not_track_is_not_in_the_documents_yet(tmp_path):
    for name in ("mine", "theirs"):
        (tmp_path / "use_cases" / name).mkdir(parents=True)
        (tmp_path / "use_cases" / name / "__init__.py").touch()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "use_cases/theirs"], cwd=tmp_path, check=True)
    assert list_tracked_use_cases(tmp_path) == ["theirs"]


def test_every_verb_is_explained_and_none_is_invented():
    text = read("docs/reference/verbs.md")
    assert [verb for verb in VERBS if f"| `{verb}` |" not in text] == []
    named = {(path, verb) for path in documents() for verb in re.findall(r"`make ([a-z0-9-]+)", read(path))}
    assert {(str(path), verb) for path, verb in named if verb not in VERBS} == set()


def test_public_templates_are_told_as_the_benchmark_prints_them():
    told = read("docs/your-own-data.md")
    header, line, ours, *theirs = format_templates("x")
    assert f"{header}\n{line}\n" in told
    assert re.search(re.escape(ours).replace("x", r"[0-9to ]+"), told)
    assert "\n".join(theirs) in told


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
