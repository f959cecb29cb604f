"""What is deployed: one commit in a folder of its own, on packages of its own, so that no later edit or installation reaches it.

`<home>/releases/<commit>` is a clone at exactly that commit, `<home>/venvs/<hash of its constraints.txt>` holds the pinned
packages and none of ours. Both are built under another name and renamed, so what has its name is whole; both are reused.
"""

import fcntl
import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from headrace.errors import DeployError
from operations import git
from operations.checks import NOTES

# Below the library's logger, whose lines go to the log of the verb.
logger = logging.getLogger("headrace.operations.releases")

Say = Callable[[str], None]

# No process of ours imports them, and compiling them takes as long as all the rest.
_NOT_COMPILED = r"/tests?/|/plotly/(graph_objs|validators)/"


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
            say(f"installing the pinned packages into {place} (some minutes, once for each constraints.txt)")
            _install(_empty(building), folder, say=say)
            _rewrite_scripts(building, place)
            building.rename(place)
    return place / "bin" / "python"


def packages_folder(home: Path, folder: Path) -> Path:
    """Where the packages of a clone lie: the same pins, needs and Python are the same folder."""
    needs = b"".join((folder / name).read_bytes() for name in ("constraints.txt", "pyproject.toml"))
    return home / "venvs" / hashlib.sha256(needs + platform.python_version().encode()).hexdigest()[:16]


@contextmanager
def _hold(place: Path) -> Generator[Path]:
    """The folder in which one process at a time builds what will be renamed to `place`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f".{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        building = place.parent / f".{place.name}.building"
        yield building
        shutil.rmtree(building, ignore_errors=True)


def _empty(building: Path) -> Path:
    """The folder, emptied of what a killed run has left in it."""
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    return building


def _install(building: Path, folder: Path, *, say: Say) -> None:
    wanted = building / "wanted.txt"
    log = building / "install.log"
    _run([sys.executable, "-m", "venv", "--without-pip", str(building)], log, say=say)
    wanted.write_text("\n".join(list_packages(folder)) + "\n", encoding="utf-8")
    # Every package is pinned, so nothing has to be resolved; the pip of this process serves the other environment.
    python = building / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run([*pip, "install", "--no-deps", "--no-compile", "-r", str(wanted)], log, say=say)
    _run([*pip, "check"], log, say=say)
    say("  compiling")
    # Files for other Pythons do not compile, and are never imported.
    compiled = [str(python), "-m", "compileall", "-q", "-j", "0", "-x", _NOT_COMPILED, str(building / "lib")]
    subprocess.run(compiled, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def list_packages(folder: Path) -> list[str]:
    """Pinned packages of a clone, without those that only people use (tests, the notebook) and nothing else needs."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {_find_name(text) for extra in project["optional-dependencies"].values() for text in extra}
    tools = extras - {_find_name(text) for text in project["dependencies"]}
    # What a package asks for only with an extra is no need of it.
    asked = [
        text for found in metadata.distributions() if _find_name(found.name) not in tools for text in found.requires or [] if "extra ==" not in text
    ]
    tools -= {_find_name(text) for text in asked}
    lines = (folder / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#") and _find_name(line) not in tools]


def _find_name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _run(command: list[str], log: Path, *, say: Say) -> None:
    """Run one step of an installation; a line for every 25 packages, because silence of minutes looks like a hang."""
    said, count = "nothing", 0
    with log.open("a", encoding="utf-8") as sink:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_own_variables())
        for line in process.stdout or ():
            sink.write(line)
            said = line.strip() or said
            if line.startswith("Collecting "):
                count += 1
                if count % 25 == 0:
                    say(f"  {count} packages found")
            elif line.startswith("Installing collected"):
                say("  unpacking")
    if process.wait():
        raise DeployError(f"the packages of the release could not be installed, {command[2]} said: {said}; the same verb tries again")


def _own_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")}


def _rewrite_scripts(building: Path, place: Path) -> None:
    """Let the installed commands name the interpreter by the place where it will lie."""
    for script in (building / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if os.fsencode(building) in content:
            script.write_bytes(content.replace(os.fsencode(building), os.fsencode(place)))
