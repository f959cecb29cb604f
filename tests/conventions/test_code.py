"""Rules of the code that no linter knows."""

import ast
import re

import pytest

from headrace import use_case as use_cases
from headrace.lake.contracts import find_contract
from tests.conventions.repository import functions, parse, python_files, read, repository_files

TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".html", ".j2", ".css", ".js", ".sh", ""}


def name_of(node: ast.expr) -> str:
    """`pytest.raises` for that expression, also under a call."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def test_no_file_has_more_than_400_lines():
    generated = {"LICENSE"}
    counts = {str(path): read(path).count("\n") for path in repository_files() if path.suffix in TEXT and path.name not in generated}
    assert {path: count for path, count in counts.items() if count > 400} == {}


def test_no_function_has_more_than_60_lines():
    too_long = {
        f"{path}:{node.lineno} {node.name}": lines
        for path in python_files()
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > 60
    }
    assert too_long == {}


def test_every_module_of_the_product_says_what_it_is():
    silent = [
        str(path)
        for path in python_files("headrace", "flows", "tasks", "use_cases", "tools", "benchmarks")
        if read(path).strip() and not ast.get_docstring(parse(path))
    ]
    assert silent == []


def test_no_test_uses_a_mock():
    banned = re.compile(r"\b(unittest[.]mock|import mock|MagicMock|mocker)\b")
    assert [str(path) for path in python_files() if path.name != "test_code.py" and banned.search(read(path))] == []


def test_every_expected_error_says_which():
    calls = [
        (path, node)
        for path in python_files("tests")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and name_of(node) == "pytest.raises"
    ]
    assert [f"{path}:{call.lineno}" for path, call in calls if not any(keyword.arg == "match" for keyword in call.keywords)] == []


def test_every_test_asserts():
    silent = []
    for path in python_files("tests"):
        for node in functions(path):
            names = {name_of(call) for call in ast.walk(node) if isinstance(call, ast.Call)}
            asserts = any(isinstance(found, ast.Assert) for found in ast.walk(node)) or any(
                re.search(r"raises|assert|check|expect", name) for name in names
            )
            if node.name.startswith("test_") and not asserts:
                silent.append(f"{path}:{node.lineno} {node.name}")
    assert silent == []


def test_no_file_knows_a_machine_or_a_package_index():
    # Put together here, so that this file does not hold what it looks for.
    parts = [
        "/wo" + "rk/",
        "/ro" + "ot/",
        "/ho" + "me/[a-z]",
        "/tm" + "p/bash",
        "py" + "pi[.]org",
        "python" + "hosted",
        "--(extra-)?ind" + "ex-url",
        "--find" + "-links",
        "@ file" + ":",
    ]
    pattern = re.compile("|".join(f"({part})" for part in parts))
    findings = [
        f"{path}:{number}"
        for path in repository_files()
        if path.suffix in TEXT
        for number, line in enumerate(read(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert findings == []


def test_a_suppressed_finding_has_its_reason_beside_it():
    # A reason stands after a dash: `
    bare = re.compile(r"#\s*(noqa|type: ignore|ty: ignore|fmt: (off|skip))(?!.* - )")
    mine = "test_code.py"
    findings = [
        f"{path}:{number}"
        for path in python_files()
        if path.name != mine
        for number, line in enumerate(read(path).splitlines(), 1)
        if bare.search(line)
    ]
    assert [finding for finding in findings if "fmt: skip" not in read_line(finding)] == []


def read_line(finding: str) -> str:
    path, number = finding.rsplit(":", 1)
    return read(path).splitlines()[int(number) - 1]


@pytest.mark.parametrize("name", use_cases.names())
def test_a_use_case_is_complete(name):
    case = use_cases.load(name)
    promised = [case.table(layer, feed) for feed in case.feeds for layer in ("bronze", "silver")]
    promised += [case.table("gold", "features"), case.table("inference", "predictions"), case.table("inference", "requests")]
    assert [table for table in promised if find_contract(table) is None] == []
    assert case.title.endswith("?")
    assert set(case.features.names).isdisjoint(case.features.forbidden)
    assert set(case.features.categorical) <= set(case.features.names)
    assert list(case.replay.ticks) == sorted(set(case.replay.ticks))
    assert all(tick.utcoffset() is not None for tick in case.replay.ticks)
    assert len(case.label.description.split()) > 5, "say what has no label, and why"
