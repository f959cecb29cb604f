"""The pinned packages of a release, in a virtual environment of its own: what is installed in the clone later does not reach it.

What this process runs on is mostly what a release wants, so it is copied, file by file, where it is still what was published;
pip fetches the rest.
"""

import base64
import csv
import hashlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from headrace.errors import DeployError

# Below the library's logger, whose lines go to the log of the verb.
logger = logging.getLogger("headrace.operations.packages")

Say = Callable[[str], None]

# Copied at once, and how often that is told.
_AT_ONCE, _SAID_EVERY = 4, 50

# Extras that only people use: tests and the notebook. A use case may need any other, and a release carries those.
_TOOLS = ("dev", "explore")


def list_packages(folder: Path) -> list[str]:
    """Pinned packages of a clone, without those that only people use (tests, the notebook) and nothing else needs."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: {_find_name(text) for text in listed} for name, listed in project["optional-dependencies"].items()}
    used = {_find_name(text) for text in project["dependencies"]}.union(*(found for name, found in extras.items() if name not in _TOOLS))
    tools = set().union(*(found for name, found in extras.items() if name in _TOOLS)) - used
    # What a package asks for only with an extra is no need of it.
    asked = [
        text for found in metadata.distributions() if _find_name(found.name) not in tools for text in found.requires or [] if "extra ==" not in text
    ]
    tools -= {_find_name(text) for text in asked}
    lines = (folder / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#") and _find_name(line) not in tools]


def _find_name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def install_packages(building: Path, place: Path, pins: list[str], *, say: Say) -> None:
    """Make a virtual environment that holds exactly these packages.

    Args:
        building: Folder to make it in, there and empty.
        place: Where it will lie once it is whole; its commands name that.
        pins: Lines of a constraints file.
        say: Takes one line of progress.

    Raises:
        DeployError: A package could not be installed, or they do not fit each other.
    """
    log = building / "install.log"
    _run([sys.executable, "-m", "venv", "--without-pip", str(building)], log, say=say)
    missing = copy_packages(pins, building, say=say)
    say(f"  {len(pins) - len(missing)} of {len(pins)} copied from {sys.prefix}")
    # The pip of this process serves the other environment.
    pip = [sys.executable, "-m", "pip", "--python", str(building / "bin" / "python"), "--disable-pip-version-check"]
    if missing:
        wanted = building / "wanted.txt"
        wanted.write_text("\n".join(missing) + "\n", encoding="utf-8")
        # Every package is pinned, so nothing has to be resolved.
        _run([*pip, "install", "--no-deps", "-r", str(wanted)], log, say=say)
    _run([*pip, "check"], log, say=say)
    _rewrite_scripts(building, place)


def copy_packages(pins: list[str], building: Path, *, say: Say) -> list[str]:
    """Copy what can be copied, several packages at a time: a machine that has much else to do then gives it more of its time.

    Returns:
        The pins of what could not be.
    """
    missing: list[str] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for count, (pin, is_copied) in enumerate(zip(pins, pool.map(lambda pin: copy_package(pin, building), pins), strict=True), start=1):
            missing += [] if is_copied else [pin]
            if count % _SAID_EVERY == 0:
                say(f"  {count} of {len(pins)} packages looked through")
    return missing


def copy_package(pin: str, building: Path, *, prefix: str = sys.prefix) -> bool:
    """Copy an installed package to another environment, file by file, where it is exactly what its publisher made.

    Args:
        pin: Its line of a constraints file.
        building: Root of the other environment.
        prefix: Root of the environment that it is copied from.

    Returns:
        Whether it was; nothing is left of a package that was not.
    """
    name, _, version = pin.partition("==")
    written: list[Path] = []
    try:
        libraries = sysconfig.get_path("purelib", vars={"base": prefix})
        found = next(iter(metadata.distributions(name=name.strip(), path=[libraries])), None)
        if found is None or found.version != version.strip() or found.read_text("direct_url.json") is not None:
            raise _NotAsPublished("it is not installed from an index at that version")
        for source, expected in _list_files(found, prefix):
            written += _copy_file(source, expected, prefix, building)
    except _NotAsPublished as why:
        logger.info("not copied package=%s reason=%s", pin, why)
        for path in written:
            path.unlink()
        return False
    return True


class _NotAsPublished(Exception):
    """A file of an installed package is not the one that its list of files describes."""


def _list_files(found: metadata.Distribution, prefix: str) -> Iterator[tuple[str, str]]:
    """Each file of an installed package and the hash that its publisher gave, as `sha256=...`; none for the list of files, and for nothing else.

    The list is read as it stands: `Distribution.files` may leave out what is gone, depending on who provides it.

    Raises:
        _NotAsPublished: A file lies outside of the environment, or has no hash.
    """
    listed = found.read_text("RECORD")
    if not listed:
        raise _NotAsPublished("it has no list of files")
    libraries = str(found.locate_file(""))
    for file, expected, *_ in csv.reader(listed.splitlines()):
        source = os.path.normpath(os.path.join(libraries, file))
        if source.endswith(".pyc"):
            continue
        if not source.startswith(prefix + os.sep):
            raise _NotAsPublished(f"{file} lies outside")
        if not expected and os.path.basename(source) != "RECORD":
            raise _NotAsPublished(f"{file} has no hash")
        yield source, expected


def _copy_file(source: str, expected: str, prefix: str, building: Path) -> list[Path]:
    """Copy a file, and its bytecode: what this process itself runs. The copies.

    Raises:
        _NotAsPublished: It is gone, or was edited.
    """
    try:
        content = Path(source).read_bytes()
    except FileNotFoundError:
        raise _NotAsPublished(f"{source} is gone") from None
    algorithm, _, digest = expected.partition("=")
    if expected and _hash(content, algorithm) != digest:
        raise _NotAsPublished(f"{source} was edited")
    copies = [_write(source, content, prefix, building)]
    bytecode = importlib.util.cache_from_source(source) if source.endswith(".py") else ""
    if bytecode and os.path.exists(bytecode):
        copies.append(_write(bytecode, Path(bytecode).read_bytes(), prefix, building))
    return copies


def _hash(content: bytes, algorithm: str) -> str:
    return base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()


def _write(source: str, content: bytes, prefix: str, building: Path) -> Path:
    """Write the copy of a file, with its times: by them Python knows whether bytecode is that of a source."""
    target = building / os.path.relpath(source, prefix)
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    shutil.copystat(source, target)
    return target


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
    """Let the commands name the interpreter by the place where it will lie."""
    for script in (building / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        named = content
        for root in (str(building), sys.prefix, os.path.realpath(sys.prefix)):
            named = named.replace(os.fsencode(f"{root}/bin/python"), os.fsencode(f"{place}/bin/python"))
        if named != content:
            script.write_bytes(named)
