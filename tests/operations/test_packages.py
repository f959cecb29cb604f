"""The packages of a release are copied from the clone's environment where they are what was published, and fetched where not."""

import base64
import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from headrace.settings import ROOT
from operations.packages import copy_package, copy_packages, list_packages

PIN = "brook==1.2"


@pytest.fixture
def prefix(tmp_path):
    """An environment with one package: a module with its bytecode, a command, a list of files with their hashes."""
    prefix = tmp_path / "environment"
    library = _library(prefix)
    files = {
        library / "brook" / "__init__.py": b"depth = 3\n",
        library / "brook-1.2.dist-info" / "METADATA": b"Metadata-Version: 2.1\nName: brook\nVersion: 1.2\n",
        prefix / "bin" / "brook": f"#!{prefix}/bin/python\n".encode(),
    }
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(library)], check=True)
    record = [f"{os.path.relpath(file, library)},sha256={_hash(content)},{len(content)}" for file, content in files.items()]
    (library / "brook-1.2.dist-info" / "RECORD").write_text("\n".join([*record, "brook-1.2.dist-info/RECORD,,"]) + "\n")
    return prefix


def _library(prefix: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(prefix)}))


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _read_files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_package_as_published_is_copied_whole_and_its_bytecode_is_used(prefix, tmp_path):
    assert copy_package(PIN, tmp_path / "building", prefix=str(prefix))
    assert _read_files(tmp_path / "building") == _read_files(prefix)
    loud = [sys.executable, "-v", "-c", "import brook"]
    said = subprocess.run(loud, env={"PYTHONPATH": str(_library(tmp_path / "building"))}, capture_output=True, text=True, check=True).stderr
    assert f"matches {_library(tmp_path / 'building')}" in said


@pytest.mark.parametrize("harm", ["edited", "gone", "without a hash", "without a list", "another version", "from a folder", "outside", "not there"])
def test_a_package_that_is_not_as_published_is_left_to_pip_and_leaves_nothing(prefix, tmp_path, harm):
    library = _library(prefix)
    module, info = library / "brook" / "__init__.py", library / "brook-1.2.dist-info"
    record = (info / "RECORD").read_text()
    pin = PIN
    match harm:
        case "edited":
            module.write_bytes(b"depth = 4\n")
        case "gone":
            module.unlink()
        case "without a hash":
            (info / "RECORD").write_text(record.replace(_hash(b"depth = 3\n"), "").replace("sha256=,", ","))
        case "without a list":
            (info / "RECORD").unlink()
        case "another version":
            pin = "brook==1.3"
        case "from a folder":
            (info / "direct_url.json").write_text('{"url": "file:///somewhere"}')
        case "outside":
            (tmp_path / "secret").write_bytes(b"")
            away = os.path.relpath(tmp_path / "secret", library)
            (info / "RECORD").write_text(f"{record}{away},sha256={_hash(b'')},0\n")
        case "not there":
            pin = "river==1.2"
    assert not copy_package(pin, tmp_path / "building", prefix=str(prefix))
    assert _read_files(tmp_path / "building") == {}


def test_what_cannot_be_copied_is_named_and_all_else_is_there(tmp_path):
    pins = [pin for pin in list_packages(ROOT) if pin.startswith(("anyio==", "httpx==", "MarkupSafe=="))]
    assert len(pins) == 3
    assert copy_packages([*pins, "river==1.2"], tmp_path, say=print) == ["river==1.2"]
    assert {path.name for path in _library(tmp_path).iterdir()} >= {"anyio", "httpx", "markupsafe"}


def test_developers_tools_stay_out_and_all_that_the_product_needs_goes_in():
    names = {line.partition("==")[0].lower().replace("_", "-") for line in list_packages(ROOT)}
    assert {"prefect", "mlflow", "deltalake", "packaging", "cryptography"} <= names
    assert {"lancedb", "onnxruntime", "huggingface-hub"} <= names, "a use case that needs an extra is deployed too"
    assert names.isdisjoint({"pytest", "pytest-xdist", "ruff", "ty", "hypothesis", "import-linter", "pre-commit", "ministack", "marimo", "headrace"})
