"""What is imported is declared, what is declared is pinned, what is pinned has a reason; and CI runs what a person runs."""

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from headrace.settings import ROOT
from tests.conventions.repository import OUR_PACKAGES, parse, project, python_files, read, repository_files

RUNTIME = [Requirement(text) for text in project()["project"]["dependencies"]]
EXPLORE = [Requirement(text) for text in project()["project"]["optional-dependencies"]["explore"]]
LLM = [Requirement(text) for text in project()["project"]["optional-dependencies"]["llm"]]
DEV = [Requirement(text) for text in project()["project"]["optional-dependencies"]["dev"]]
ALL = RUNTIME + EXPLORE + LLM + DEV


def pins() -> dict[str, Requirement]:
    lines = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def imported(*packages: str) -> set[str]:
    return imported_by(python_files(*packages))


def imported_by(paths: list[Path]) -> set[str]:
    """Top-level modules of others that these files import, wherever in the file."""
    names: set[str] = set()
    for path in paths:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - set(OUR_PACKAGES)


def undeclared(modules: set[str], declared: list[Requirement]) -> list[str]:
    known = {canonicalize_name(requirement.name) for requirement in declared}
    found = metadata.packages_distributions()
    return sorted(module for module in modules if known.isdisjoint(canonicalize_name(name) for name in found.get(module, [module])))


def test_what_the_product_imports_it_declares():
    # These may need the extra; what all use cases stand on may not.
    free = [path for path in python_files("headrace", "flows", "tasks", "use_cases") if is_free_to_need_llm(path)]
    others = [path for path in python_files("headrace", "operations") if path not in free]
    assert undeclared(imported_by(free), RUNTIME + LLM) == []
    assert undeclared(imported_by(others), RUNTIME) == []


def is_free_to_need_llm(path: Path) -> bool:
    return path.parts[0] != "headrace" or path.parts[1] in ("llm", "serving")


def test_a_use_case_needs_extras_that_exist():
    known = set(project()["project"]["optional-dependencies"])
    needed = {str(path): set(read(path).split()) for path in repository_files() if path.match("use_cases/*/needs")}
    assert {path: names - known for path, names in needed.items() if not names or names - known} == {}


def test_what_the_tests_import_is_declared():
    assert undeclared(imported("tests", "benchmarks", "tools"), ALL) == []


def test_what_the_notebook_imports_is_declared():
    assert undeclared(imported("notebooks"), RUNTIME + EXPLORE) == []


def test_every_package_is_pinned_to_one_version_that_the_project_allows():
    pinned = pins()
    assert [str(pin) for pin in pinned.values() if not re.fullmatch(r"==[0-9][^*,]*", str(pin.specifier))] == []
    for requirement in ALL:
        version = str(pinned[canonicalize_name(requirement.name)].specifier).removeprefix("==")
        assert requirement.specifier.contains(version), requirement


def test_what_is_installed_is_what_is_pinned():
    pinned = pins()
    installed = {canonicalize_name(found.name): found.version for found in metadata.distributions()}
    assert {name: version for name, version in installed.items() if name in pinned and str(pinned[name].specifier) != f"=={version}"} == {}


def test_every_package_has_its_reason():
    text = read("docs/dependencies.md")
    assert [requirement.name for requirement in ALL if f"| `{requirement.name}` |" not in text] == []
    explained = set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE))
    assert explained - {requirement.name for requirement in ALL} == set()


def workflows():
    return sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))


def test_there_is_a_workflow_for_each_occasion():
    assert [path.name for path in workflows()] == ["main.yml", "merge-request.yml", "nightly.yml", "release.yml"]


@pytest.mark.parametrize("path", workflows(), ids=lambda path: path.stem)
def test_a_workflow_runs_the_verbs_and_every_action_is_pinned_by_hash(path):
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "run" in step]
    assert [run for run in runs if not re.fullmatch(r"make [a-z-]+( (ENV|TESTS)=[a-z/]+)*|\.ci/run", run)] == []
    verbs = re.findall(r"^([a-z0-9-]+):.*## ", read("Makefile"), re.MULTILINE)
    assert [run for run in runs if run.startswith("make ") and run.split()[1] not in verbs] == []
    assert re.findall(r"uses: (?![\w./-]+@[0-9a-f]{40} # v\d)(.+)", text) == []
    # What may write runs nothing of the request: its code is that of the branch it goes to.
    writers = {name: job for name, job in workflow["jobs"].items() if "write" in (job.get("permissions") or {}).values()}
    assert set(writers) <= {"post"}
    assert all(job["steps"][0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}" for job in writers.values())
    assert all(job["permissions"] == {"contents": "read", "pull-requests": "write"} for job in writers.values())


@pytest.mark.parametrize("verb", ["ci", "workflows", "secrets"])
def test_ci_asks_for_what_a_person_asks_for(verb):
    assert f"\nmake {verb}\n" in read(".ci/run")
