"""Diff: what `make deploy` would change in an environment, in its deployments, its code and its settings; nothing is changed."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from headrace.settings import ROOT, Settings
from operations import git, releases, services
from operations.deploy import check_servers, describe_changes, describe_edits, run_inside, say
from operations.releases import Release


def configure(parser: argparse.ArgumentParser) -> None:
    """What is compared: all use cases, or one."""
    parser.add_argument("--use-case", help="only the deployments of this one; left out: of all")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Compare what the checked out commit declares with what the server has."""
    check_servers(settings)
    commit = git.read_commit(ROOT)
    folder = releases.build_clone(settings.home, ROOT, commit)
    # Whether the packages are there or not, the declarations are the same; installing them is for `make deploy`.
    place = releases.packages_folder(settings.home, folder)
    own = place / "bin" / "python"
    release = Release(commit=commit, folder=folder, python=own)
    before = services.read_release(settings)
    names = [options.use_case] if options.use_case else releases.list_use_cases(folder, deployed=before["use_cases"] if before else ())
    changes = run_inside(settings, release, "plan", names, interpreter=own if own.exists() else Path(sys.executable))
    lines = describe_commits(ROOT, before, commit) + describe_edits(ROOT) + describe_settings(settings, before, folder)
    lines += [] if options.use_case else releases.describe_left_out(folder, names)
    if not own.exists():
        lines.append("packages: constraints.txt is new here, they would be installed")
    for line in lines + describe_changes(changes, is_plan=True):
        say(line)
    return 0


def describe_commits(checkout: Path, before: Mapping[str, Any] | None, commit: str) -> list[str]:
    """From which commit to which, and how many lie between them."""
    if before is None:
        return [f"commit: nothing is deployed -> {commit[:12]}"]
    old = before["commit"]
    if old == commit:
        return []
    is_known = bool(git.read(checkout, "rev-list", "--ignore-missing", "--max-count=1", old))
    count = git.read(checkout, "rev-list", "--count", f"{old}..{commit}") if is_known else "an unknown number of"
    return [f"commit: {old[:12]} -> {commit[:12]}, {count} commits"]


def describe_settings(settings: Settings, before: Mapping[str, Any] | None, folder: Path) -> list[str]:
    """Keys of the environment's YAML that differ between the deployed commit and the new one."""
    if before is None:
        return []
    name = Path("environments") / f"{settings.environment}.yaml"
    old_path = Path(before["folder"]) / name
    old = yaml.safe_load(old_path.read_text(encoding="utf-8")) if old_path.is_file() else {}
    new = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    differing = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return [f"setting {key}: {_show(key, old)} -> {_show(key, new)}" for key in differing]


def _show(key: str, values: Mapping[str, Any]) -> str:
    """A value, unless it may be a secret."""
    field = Settings.model_fields.get(key)
    return repr(values.get(key)) if field is None or field.repr or values.get(key) is None else "a value that is not shown"
