"""Git, as the verbs of an engineer use it: one call, its text, and an error that says what git said."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from headrace.errors import DeployError


def read(folder: Path, *arguments: str, text: str | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Run git in a folder and return what it wrote, without the last line break.

    Args:
        folder: The clone.
        arguments: What git is to do.
        text: What it gets to read.
        variables: Variables beside the process's own.

    Raises:
        DeployError: Git left with a code other than 0.
    """
    # A hook of git's exports GIT_DIR and the like, which would send us to another repository than the folder's.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],  # noqa: S607 - git is found on PATH
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env=inherited | dict(variables or {}),
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise DeployError(f"git {arguments[0]} in {folder} ended with {done.returncode} and said: {said}")
    return done.stdout.rstrip("\n")


def read_commit(folder: Path, revision: str = "HEAD") -> str:
    """The full hash of a commit."""
    return read(folder, "rev-parse", "--verify", f"{revision}^{{commit}}")


def read_tree(folder: Path, commit: str) -> str:
    """The hash of a commit's whole content."""
    return read(folder, "rev-parse", "--verify", f"{commit}^{{tree}}")


def read_branch(folder: Path) -> str | None:
    """The branch that is checked out; None where HEAD is detached."""
    name = read(folder, "rev-parse", "--abbrev-ref", "HEAD")
    return None if name == "HEAD" else name


def read_changes(folder: Path) -> list[str]:
    """Files that differ from the commit or that git does not know (ignored ones aside), as git lists them."""
    return read(folder, "status", "--porcelain", "--untracked-files=all").splitlines()


def is_branch(folder: Path, name: str) -> bool:
    """Whether the clone has a branch of that name."""
    return bool(read(folder, "for-each-ref", "--format=%(refname)", f"refs/heads/{name}"))
