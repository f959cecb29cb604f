"""Release: cut the branch `release/<name>` from `main`, whose checks have passed. Nothing is checked out."""

import argparse
import re
from pathlib import Path

from headrace.errors import DeployError
from headrace.settings import ROOT, Settings
from operations import checks, git
from operations.deploy import check_clean, say


def configure(parser: argparse.ArgumentParser) -> None:
    """What the release is called."""
    parser.add_argument("--name", required=True, help="for example 2026.11; the branch is release/2026.11")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Check, and create the branch."""
    branch, commit = cut_release(ROOT, options.name, keys=checks.keys_folder())
    say(f"created {branch} at commit {commit[:12]}; git checkout {branch} and make deploy ENV=prod take it to prod")
    return 0


def cut_release(checkout: Path, name: str, *, keys: Path) -> tuple[str, str]:
    """Create `release/<name>` where `main` is, and return it with its commit.

    Args:
        checkout: The clone.
        name: What follows `release/`.
        keys: Folder of the key that signs records of checks.

    Raises:
        DeployError: The name is none or taken, there is no `main`, files differ from the commit, or its checks have no valid record.
    """
    branch = f"release/{name}"
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]*", name) or name.endswith((".", ".lock")) or ".." in name:
        raise DeployError(f"{name!r} is no name of a release; write one like 2026.11, of letters, digits, points and dashes")
    if git.is_branch(checkout, branch):
        raise DeployError(f"branch {branch} exists; take another name, or git checkout {branch}")
    if not git.is_branch(checkout, "main"):
        raise DeployError("this clone has no branch main, from which releases are cut; run git fetch origin main:main")
    check_clean(checkout)
    commit = git.read_commit(checkout, "main")
    checks.check_record(checkout, commit, keys=keys)
    git.read(checkout, "branch", "--no-track", branch, commit)
    return branch, commit
