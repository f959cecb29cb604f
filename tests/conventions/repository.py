"""What the tests of conventions look at: the files of the repository, as git knows them."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from headrace.settings import ROOT

OUR_PACKAGES = ("headrace", "flows", "tasks", "use_cases", "operations", "benchmarks", "tests", "tools", "notebooks")


@lru_cache(maxsize=1)
def repository_files() -> tuple[Path, ...]:
    """Every file that is or would be committed, as a path below the root."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(Path(name) for name in sorted(listed.stdout.splitlines()) if (ROOT / name).is_file())


def python_files(*packages: str) -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".py" and path.parts[0] in (packages or OUR_PACKAGES)]


def documents() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".md"]


def read(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def lines(*packages: str) -> Iterator[tuple[str, str]]:
    """`path:number` and text of every line of our Python files."""
    for path in python_files(*packages):
        for number, line in enumerate(read(path).splitlines(), 1):
            yield f"{path}:{number}", line


@lru_cache(maxsize=512)
def parse(path: Path) -> ast.Module:
    return ast.parse(read(path), filename=str(path))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(parse(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def calls(node: ast.AST) -> list[tuple[str, ast.Call]]:
    """Every call below a node, with the name it calls: `pytest.raises`."""
    return [(ast.unparse(found.func), found) for found in ast.walk(node) if isinstance(found, ast.Call)]


@lru_cache(maxsize=1)
def project() -> dict[str, Any]:
    """`pyproject.toml`."""
    return tomllib.loads(read("pyproject.toml"))
