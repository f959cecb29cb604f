"""Back one environment up: its tables by version, its registry and databases, its undrained logs, its secrets; with a manifest.

Servers and flows may go on meanwhile. What is copied follows the order in which things are made, backwards, so that whatever a row
names is in the copy: first the logs of served requests, then the tables, then the databases, then the files.
"""

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from headrace import provenance
from headrace.errors import BackupError
from headrace.settings import Settings
from operations import archive, dumps
from operations.archive import DATABASES, HOME, Manifest

# The cluster is dumped, logs are no state, and `run` is about processes that are not there after a restore.
_LEFT_OUT = ("lake", "postgres", "log", "run", "serving")

# Of `run`, what says which commit is deployed.
_KEPT = ("run/release.json",)


def configure(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("--to", type=Path, help="folder that becomes the backup; left out, a new one in `backups` beside the environments")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Make a backup and say where it is."""
    path = (options.to or settings.home / "backups" / f"{settings.environment}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}").absolute()
    make_backup(settings, path)
    manifest = archive.read_manifest(path)
    size_mb = sum(file.size_bytes for file in manifest.files.values()) / 1e6
    sys.stdout.write(
        f"{path}\n{len(manifest.tables)} tables, {len(manifest.databases)} databases, {len(manifest.files)} files, {size_mb:.1f} MB. "
        "It holds the environment's secrets: keep it where only you can read it\n"
    )
    return 0


def make_backup(settings: Settings, target: Path) -> None:
    """Make a backup, whole or not at all.

    Args:
        settings: The environment.
        target: The folder that becomes the backup; it must not be there yet, or be empty.

    Raises:
        BackupError: There is no such environment, its lake is not on this machine, a file is missing, or the folder cannot be used.
        ServerError: Its PostgreSQL does not answer.
    """
    source = settings.environment_home
    if settings.lake_uri is not None:
        raise BackupError(
            f"the lake of {settings.environment} is {settings.lake_uri}, which this machine does not keep; let the storage keep versions or "
            "replicas of that bucket (docs/recovery.md)"
        )
    if not source.is_dir():
        raise BackupError(f"{settings.environment} has no state in {settings.home}; nothing to back up")
    if target.resolve().is_relative_to(source.resolve()):
        raise BackupError(f"{target} lies in the environment that is backed up; name a folder outside of {source} with TO=")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BackupError(f"{target} is not empty; name a new folder with TO=, a backup is never written over")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft-{os.getpid()}")
    draft.mkdir(mode=0o700)
    try:
        archive.write_manifest(draft, _fill(settings, draft, made_at=datetime.now(UTC)))
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fill(settings: Settings, draft: Path, *, made_at: datetime) -> Manifest:
    source, home = settings.environment_home, draft / HOME
    # A request that is drained between the two is in both, and counts once; the other way round it would be in neither.
    archive.copy_tree(source / "serving", home / "serving")
    tables = archive.list_tables(settings.lake_root)
    for name, version in tables.items():
        layer, noun = name.split(".")
        archive.copy_table(settings.lake_root / layer / noun, home / "lake" / layer / noun, version=version)
    # A version is registered before a row names it, and its files are written before it is registered.
    databases = dumps.dump(settings, draft / DATABASES) if settings.database == "postgres" else []
    for path in sorted(source.iterdir()):
        if path.is_dir() and path.name not in _LEFT_OUT:
            archive.copy_tree(path, home / path.name)
        elif path.is_file():
            archive.copy_file(path, home / path.name)
    for name in _KEPT:
        if (source / name).is_file():
            archive.copy_file(source / name, home / name)
    return Manifest(
        environment=settings.environment,
        home=str(settings.home),
        made_at=made_at.isoformat(timespec="seconds"),
        commit=provenance.read_commit(),
        tables=tables,
        databases=databases,
        files=archive.list_files(draft),
    )
