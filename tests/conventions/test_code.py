"""Rules of the code that no linter knows."""

import ast
import re

import pytest

from headrace import use_case as use_cases
from headrace.lake.contracts import find_contract
from headrace.settings import ROOT
from tests.conventions.repository import calls, functions, lines, parse, python_files, read, repository_files
from tools.reference import CATALOG

TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".html", ".j2", ".css", ".js", ".sh", ""}

# This file holds what it looks for.
MYSELF = "tests/conventions/test_code.py"


def test_no_file_has_more_than_400_lines():
    # One is a licence, the other as long as a team's tables are many.
    free = ("LICENSE", CATALOG)
    counts = {str(path): read(path).count("\n") for path in repository_files() if path.suffix in TEXT and str(path) not in free}
    assert {path: count for path, count in counts.items() if count > 400} == {}


def test_only_pictures_are_not_text():
    known = (".png",)
    assert [str(path) for path in repository_files() if path.suffix not in known and b"\0" in (ROOT / path).read_bytes()] == []


def test_no_function_has_more_than_60_lines():
    sizes = {f"{path}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1 for path in python_files() for node in functions(path)}
    assert {name: size for name, size in sizes.items() if size > 60} == {}


def test_every_module_of_the_product_says_what_it_is():
    modules = python_files("headrace", "flows", "tasks", "use_cases", "operations", "tools", "benchmarks", "notebooks")
    assert [str(path) for path in modules if read(path).strip() and not ast.get_docstring(parse(path))] == []


def test_no_test_uses_a_mock():
    banned = re.compile(r"\b(unittest[.]mock|import mock|MagicMock|mocker)\b")
    assert [place for place, line in lines() if banned.search(line) and not place.startswith(MYSELF)] == []


def test_every_expected_error_says_which():
    expected = [(path, call) for path in python_files("tests") for name, call in calls(parse(path)) if name == "pytest.raises"]
    assert [f"{path}:{call.lineno}" for path, call in expected if "match" not in {keyword.arg for keyword in call.keywords}] == []


def test_every_test_asserts():
    tests = [(path, node) for path in python_files("tests") for node in functions(path) if node.name.startswith("test_")]
    assert [f"{path}:{node.lineno} {node.name}" for path, node in tests if not asserts(node)] == []


def asserts(node: ast.AST) -> bool:
    is_plain = any(isinstance(found, ast.Assert) for found in ast.walk(node))
    return is_plain or any(re.search(r"raises|assert|check|expect", name) for name, _ in calls(node))


def test_no_file_knows_a_machine_or_a_package_index():
    # Put together here, so that this file does not hold what it looks for.
    machine = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/[a-z]", "/tm" + "p/bash"]
    index = ["py" + "pi[.]org", "python" + "hosted", "--(extra-)?ind" + "ex-url", "--find" + "-links", "@ file" + ":"]
    pattern = re.compile("|".join(machine + index))
    texts = [(path, read(path).splitlines()) for path in repository_files() if path.suffix in TEXT]
    assert [f"{path}:{number}" for path, text in texts for number, line in enumerate(text, 1) if pattern.search(line)] == []


def test_a_suppressed_finding_has_its_reason_beside_it():
    # A reason stands after a dash: `
    bare = re.compile(r"#\s*(noqa|type: ignore|ty: ignore)(?!.* - )")
    assert [place for place, line in lines() if bare.search(line) and not place.startswith(MYSELF)] == []


@pytest.mark.parametrize("name", use_cases.names())
def test_a_use_case_is_complete(name):
    case = use_cases.load(name)
    promised = [*case.feed_tables, *case.other_tables]
    assert [table for table in promised if find_contract(table) is None] == []
    assert case.title.endswith("?")
    assert set(case.features.names).isdisjoint(case.features.forbidden)
    assert set(case.features.categorical) <= set(case.features.names)
    assert list(case.replay.ticks) == sorted(set(case.replay.ticks))
    assert all(tick.utcoffset() is not None for tick in case.replay.ticks)
    assert len(case.label.description.split()) > 5, "say what has no label, and why"
