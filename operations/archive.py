"""What a backup is on disk: files with their hashes in a manifest, tables copied by version, SQLite files by SQLite itself.

    <folder>/manifest.json   environment, home, versions of tables, databases; sha256, size and mode of every file
    <folder>/home/...        files, as they lie below `<home>/<environment>`
    <folder>/databases/...   dumps of PostgreSQL, one per database

A folder whose manifest does not describe every byte in it is no backup.
"""

import contextlib
import hashlib
import json
import re
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote

import lmdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from headrace.errors import BackupError

MANIFEST, HOME, DATABASES = "manifest.json", "home", "databases"

# What SQLite and LMDB keep beside a file while somebody has it open; their own copies hold what is in it.
_PASSING_ENDS = ("-wal", "-shm", "-journal", "lock.mdb")

_LMDB = "data.mdb"

# What a log entry or checkpoint of a table is called, after its version.
_LOG_ENTRY = re.compile(r"(?P<version>\d{20})[.](json|checkpoint[.].*parquet|checkpoint[.]parquet)")

_CHUNK = 2**20


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a backup.

    Attributes:
        sha256: Hash of its content.
        size_bytes: Its length.
        mode: Its permission bits.
    """

    sha256: str
    size_bytes: int
    mode: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        environment: Whose it is.
        home: Folder of all state on the machine it was made on; versions in the registry name it.
        made_at: Instant (UTC, ISO 8601) at which the versions of the tables were read.
        commit: Commit of the clone that made it.
        tables: Table -> Delta version.
        databases: Names of the dumped PostgreSQL databases.
        files: Path below the backup's folder -> its file.
    """

    environment: str
    home: str
    made_at: str
    commit: str
    tables: Mapping[str, int]
    databases: Sequence[str]
    files: Mapping[str, File]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it; from then on the folder is a backup."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup.

    Raises:
        BackupError: There is none, or it is not what `write_manifest` wrote.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BackupError(f"{folder} is no backup: it has no {MANIFEST}; name a folder that make backup has made")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        files = {name: File(**file) for name, file in values.pop("files").items()}
        return Manifest(files=files, **values)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise BackupError(f"{path} cannot be read ({type(error).__name__}); this backup was damaged, take another") from error


def list_files(folder: Path) -> dict[str, File]:
    """Every file below a backup's folder but the manifest, by its path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {str(path.relative_to(folder)): describe_file(path) for path in paths}


def describe_file(path: Path) -> File:
    """Hash, size and mode of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    status = path.stat()
    return File(sha256=digest.hexdigest(), size_bytes=status.st_size, mode=stat.S_IMODE(status.st_mode))


def check_files(folder: Path, manifest: Manifest) -> None:
    """See that every file is there, is as it was, and that there is no other.

    Raises:
        BackupError: One is not.
    """
    found = list_files(folder)
    missing = sorted(set(manifest.files) - set(found))
    unknown = sorted(set(found) - set(manifest.files))
    changed = sorted(name for name in set(found) & set(manifest.files) if found[name].sha256 != manifest.files[name].sha256)
    for names, what in ((missing, "is missing"), (changed, "was changed"), (unknown, "was added")):
        if names:
            others = f" and {len(names) - 1} others" if len(names) > 1 else ""
            raise BackupError(f"{folder / names[0]}{others} {what} since the backup was made; nothing was restored, take another backup")


def copy_file(source: Path, target: Path) -> None:
    """A file with its mode and times."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def copy_tree(source: Path, target: Path) -> None:
    """A folder's files; SQLite files are copied by SQLite, so that a writer does no harm, and what vanishes meanwhile is left out."""
    for path in sorted(source.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.name.endswith(_PASSING_ENDS):
            continue
        copied = target / path.relative_to(source)
        if is_sqlite(path):
            copy_sqlite(path, copied)
        elif path.name == _LMDB:
            copy_lmdb(path.parent, copied.parent)
        else:
            with contextlib.suppress(FileNotFoundError):
                copy_file(path, copied)


def is_sqlite(path: Path) -> bool:
    """Whether a file is a SQLite database."""
    try:
        with path.open("rb") as content:
            return content.read(16) == b"SQLite format 3\0"
    except FileNotFoundError:
        return False


def copy_sqlite(source: Path, target: Path) -> None:
    """One consistent state of a SQLite database that others may be writing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    reader = sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)
    with contextlib.closing(reader), contextlib.closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)
    shutil.copymode(source, target)


def copy_lmdb(source: Path, target: Path) -> None:
    """One consistent state of an LMDB folder that others may be writing."""
    target.mkdir(parents=True, exist_ok=True)
    # Its own locks are for its own processes; a reader without one could see a page that is being written.
    with contextlib.closing(lmdb.open(str(source), readonly=True, max_dbs=0)) as store:
        store.copy(str(target))


def list_tables(lake: Path) -> dict[str, int]:
    """Every table of a local lake, `layer.noun`, with its newest version."""
    names = sorted(path.parent for path in lake.glob("*/*/_delta_log"))
    return {f"{path.parent.name}.{path.name}": _open(path).version() for path in names}


def copy_table(source: Path, target: Path, *, version: int) -> None:
    """A Delta table up to one version: its log until there and every file that a version until there names.

    A writer that commits meanwhile adds files and a later log entry, which are not taken. Older versions stay readable.

    Raises:
        BackupError: A file that the version needs is not there.
    """
    needed = {unquote(path) for path in _open(source, version=version).file_uris()}
    needed = {str(Path(path).relative_to(source)) if Path(path).is_absolute() else path for path in needed}
    for path in _list_log(source, version=version):
        copy_file(path, target / path.relative_to(source))
    for name in sorted(needed | set(_list_logged(source, version=version))):
        if (source / name).is_file():
            copy_file(source / name, target / name)
        elif name in needed:
            raise BackupError(f"{source / name} is part of version {version} and is not there; run the backup again")
    if _open(target).version() != version:
        raise BackupError(f"the copy of {source} does not end with version {version}; run the backup again")


def _open(path: Path, *, version: int | None = None) -> DeltaTable:
    try:
        return DeltaTable(str(path), version=version)
    except DeltaError as error:
        raise BackupError(f"the table at {path} cannot be opened ({type(error).__name__}); see whether make tables can, then run it again") from error


def _list_log(source: Path, *, version: int) -> Iterator[Path]:
    """Log entries and checkpoints until a version. The hint at the newest checkpoint is left out: it may be of a later one."""
    for path in sorted((source / "_delta_log").iterdir()):
        entry = _LOG_ENTRY.fullmatch(path.name)
        if entry is not None and int(entry["version"]) <= version:
            yield path


def _list_logged(source: Path, *, version: int) -> Iterator[str]:
    """Data files that log entries until a version have added, also those that a later one replaced."""
    for path in _list_log(source, version=version):
        if path.suffix != ".json":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if "add" in action:
                yield unquote(action["add"]["path"])
