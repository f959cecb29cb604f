"""What is deployed: one commit in a folder of its own, on packages of its own, so that no later edit or installation reaches it.

`<home>/releases/<commit>` is a clone at exactly that commit, `<home>/venvs/<hash of its constraints.txt>` holds the pinned
packages and none of ours. Both are built under another name and renamed, so what has its name is whole; both are reused.
"""

import hashlib
import logging
import platform
import shutil
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace import use_case as use_cases
from headrace.errors import DeployError
from headrace.locking import hold
from operations import git
from operations.checks import NOTES
from operations.packages import Say, install_packages, list_packages

# Below the library's logger, whose lines go to the log of the verb.
logger = logging.getLogger("headrace.operations.releases")


@dataclass(frozen=True, kw_only=True)
class Release:
    """One commit, ready to run.

    Attributes:
        commit: Its full hash.
        folder: The clone at that commit.
        python: The interpreter that has its packages.
    """

    commit: str
    folder: Path
    python: Path


def list_use_cases(folder: Path, *, deployed: Collection[str] = ()) -> list[str]:
    """Use cases of a clone that are deployed where none is named.

    Those that need further packages come in by their name; once there, they take the next commit with all others.

    Args:
        folder: The clone.
        deployed: Names of the use cases that are deployed before.
    """
    names = use_cases.names(folder / "use_cases")
    return [name for name in names if name in deployed or not (folder / "use_cases" / name / "needs").exists()]


def describe_left_out(folder: Path, names: Collection[str]) -> list[str]:
    """What a person should know who named no use case: which ones of the clone are not among those that are deployed."""
    left = [name for name in use_cases.names(folder / "use_cases") if name not in names]
    return [f"left out, for it needs more packages: {name}; it is deployed by its name, USE_CASE={name}" for name in left]


def build_release(home: Path, checkout: Path, commit: str, *, say: Say) -> Release:
    """Clone the commit and install its packages, where that was not done before.

    Args:
        home: Folder of all state.
        checkout: The clone that has the commit.
        commit: Full hash.
        say: Takes one line of progress.
    """
    folder = build_clone(home, checkout, commit)
    python = build_packages(home, folder, say=say)
    return Release(commit=commit, folder=folder, python=python)


def build_clone(home: Path, checkout: Path, commit: str) -> Path:
    """The folder that holds exactly this commit, with its record of passed checks; nothing of it is fetched later.

    Raises:
        DeployError: The folder is there, and somebody has edited it; or the checkout is a shallow clone.
    """
    folder = home / "releases" / commit
    with _hold(folder) as building:
        if folder.is_dir():
            _check_untouched(folder, commit)
            return folder
        if git.read(checkout, "rev-parse", "--is-shallow-repository") == "true":
            raise DeployError(f"{checkout} is a shallow clone, and a release made from it cannot be pulled; run git fetch --unshallow")
        git.read(_empty(building), "init", "--quiet", "--initial-branch", "release")
        git.read(building, "fetch", "--quiet", str(checkout), commit)
        git.read(building, "fetch", "--quiet", str(checkout), f"+refs/notes/{NOTES}*:refs/notes/{NOTES}*")
        git.read(building, "reset", "--quiet", "--hard", commit)
        building.rename(folder)
    logger.info("cloned commit=%s", commit)
    return folder


def _check_untouched(folder: Path, commit: str) -> None:
    """Refuse a release that is not its commit any more."""
    changes = git.read_changes(folder)
    if changes or git.read_commit(folder) != commit:
        what = f"{changes[0][3:]} for one" if changes else "it is another commit"
        raise DeployError(f"{folder} was edited and is not commit {commit[:12]} any more ({what}); delete that folder and type the same again")


def build_packages(home: Path, folder: Path, *, say: Say) -> Path:
    """The interpreter of the virtual environment that has the packages pinned in a clone, and nothing of ours.

    Raises:
        DeployError: The packages could not be installed.
    """
    place = packages_folder(home, folder)
    with _hold(place) as building:
        if not place.is_dir():
            say(f"installing the pinned packages into {place} (once for each constraints.txt)")
            install_packages(_empty(building), place, list_packages(folder), say=say)
            building.rename(place)
    return place / "bin" / "python"


def packages_folder(home: Path, folder: Path) -> Path:
    """Where the packages of a clone lie: the same pins, needs and Python are the same folder."""
    needs = b"".join((folder / name).read_bytes() for name in ("constraints.txt", "pyproject.toml"))
    return home / "venvs" / hashlib.sha256(needs + platform.python_version().encode()).hexdigest()[:16]


@contextmanager
def _hold(place: Path) -> Generator[Path]:
    """The folder in which one process at a time builds what will be renamed to `place`."""
    with hold(place.with_name(f".{place.name}.lock")):
        building = place.parent / f".{place.name}.building"
        yield building
        shutil.rmtree(building, ignore_errors=True)


def _empty(building: Path) -> Path:
    """The folder, emptied of what a killed run has left in it."""
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    return building
