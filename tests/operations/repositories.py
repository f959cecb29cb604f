"""Small clones with everything that the verbs of an engineer look at."""

import shutil
from pathlib import Path

from headrace.settings import ROOT
from operations import checks, git

GOOD = checks.Tests(passed=12, failed=0, skipped=1)
PERSON = {"GIT_AUTHOR_NAME": "ada", "GIT_AUTHOR_EMAIL": "ada@headrace.example"}
PERSON |= {"GIT_COMMITTER_NAME": "ada", "GIT_COMMITTER_EMAIL": "ada@headrace.example"}


def make_clone(folder: Path, *, branch: str = "main") -> Path:
    """A clone with our environments and one file of code, committed on a branch."""
    folder.mkdir(parents=True)
    git.read(folder, "init", "--quiet", "--initial-branch", branch)
    shutil.copytree(ROOT / "environments", folder / "environments")
    git.read(folder, "add", "environments")
    commit_file(folder, "code.py", "answer = 42\n")
    return folder


def commit_file(folder: Path, name: str, text: str) -> str:
    """Write a file and commit it; the hash of the commit."""
    (folder / name).write_text(text, encoding="utf-8")
    git.read(folder, "add", name)
    git.read(folder, "commit", "--quiet", "--message", f"Write {name}", variables=PERSON)
    return git.read_commit(folder)


def leave_record(folder: Path, keys: Path, *, tests: checks.Tests = GOOD) -> checks.Record:
    """What `make ci` leaves at its end."""
    record = checks.build_record(folder, tests)
    checks.record_checks(folder, record, keys=keys)
    return record
