"""Restore one environment from a backup, into a place where there is none: all of it, or nothing.

Every byte is checked before the first is written. The environment is put together beside its place, its database too, and moved
there by one rename.
"""

import argparse
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from headrace.errors import BackupError
from headrace.servers import HOST
from headrace.settings import LOCAL_FILE, Settings, load_settings
from operations import archive, dumps
from operations.archive import DATABASES, HOME, Manifest
from operations.lock import hold


def configure(parser: argparse.ArgumentParser) -> None:
    """From where."""
    parser.add_argument("--from", dest="source", type=Path, required=True, help="the folder that make backup has named")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Restore, and say what was restored."""
    with hold(settings):
        manifest = restore_backup(settings, options.source.absolute())
    sys.stdout.write(
        f"restored {settings.environment} as of {manifest.made_at}: {len(manifest.tables)} tables, {len(manifest.databases)} databases, "
        f"{len(manifest.files)} files. Next: make up ENV={settings.environment}, then make deploy and make verify\n"
    )
    return 0


def restore_backup(settings: Settings, folder: Path) -> Manifest:
    """Put an environment back as it was when the backup was made.

    Args:
        settings: The environment; nothing of it may be there but the settings of this machine, which then replace those of the backup.
        folder: The backup.

    Raises:
        BackupError: It is another environment's or another home's, a byte of it was changed, or the environment is not empty.
        ServerError: PostgreSQL cannot be started, or does not answer.
    """
    manifest = archive.read_manifest(folder)
    _check_place(settings, manifest)
    archive.check_files(folder, manifest)
    settings.home.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".restore-{settings.environment}-", dir=settings.home))
    try:
        # PostgreSQL's user must get through; what is secret below is closed by its own mode.
        beside.chmod(0o711)
        home = beside / settings.environment
        _copy(folder, manifest, home)
        local = settings.environment_home / LOCAL_FILE
        if local.is_file():
            archive.copy_file(local, home / LOCAL_FILE)
        # Read anew: where this machine has no settings of its own, those of the backup hold.
        draft = load_settings(settings.environment, home=beside)
        _check_kind(draft, manifest)
        _restore_databases(draft, folder, manifest)
        _move(home, settings.environment_home, aside=beside / "aside")
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return manifest


def _check_place(settings: Settings, manifest: Manifest) -> None:
    if manifest.environment != settings.environment:
        raise BackupError(f"this is a backup of {manifest.environment}, not of {settings.environment}; run make restore ENV={manifest.environment}")
    if manifest.home != str(settings.home):
        raise BackupError(
            f"this backup was made with HEADRACE_HOME={manifest.home}, whose paths its registry names, and here it is {settings.home}; "
            f"restore it with HEADRACE_HOME={manifest.home}"
        )
    found = [path for path in settings.environment_home.rglob("*") if path.is_file() and not _is_ours(path, settings)]
    if found:
        raise BackupError(
            f"{settings.environment} is not empty ({found[0]}); nothing was restored. make reset ENV={settings.environment} deletes what is "
            "there, or move that folder away"
        )


def _check_kind(settings: Settings, manifest: Manifest) -> None:
    if bool(manifest.databases) != (settings.database == "postgres") or settings.lake_uri is not None:
        raise BackupError(
            f"this backup is of an environment with database {'postgres' if manifest.databases else 'sqlite'} and a lake on disk, and "
            f"{settings.environment} is set to others; set `database` and `lake_uri` as they were"
        )


def _is_ours(path: Path, settings: Settings) -> bool:
    """What this verb has written itself, and the settings of this machine."""
    parts = path.relative_to(settings.environment_home).parts
    return parts[0] == "log" or parts in ((LOCAL_FILE,), ("run", "verb.lock"))


def _copy(folder: Path, manifest: Manifest, home: Path) -> None:
    home.mkdir()
    for name, file in manifest.files.items():
        path = Path(name)
        if path.parts[0] != HOME:
            continue
        target = home / path.relative_to(HOME)
        archive.copy_file(folder / name, target)
        target.chmod(file.mode)
    secrets = home / "secrets"
    if secrets.is_dir():
        secrets.chmod(0o700)


def _restore_databases(draft: Settings, folder: Path, manifest: Manifest) -> None:
    if not manifest.databases:
        return
    if draft.database_uri is not None:
        dumps.restore(draft, folder / DATABASES, manifest.databases)
        return
    # A port that is free now; the environment's own may be somebody's at the moment.
    with socket.create_server((HOST, 0)) as listener:
        cluster = draft.model_copy(update={"postgres_port": listener.getsockname()[1]})
    with dumps.running_cluster(cluster):
        dumps.restore(cluster, folder / DATABASES, manifest.databases)


def _move(source: Path, target: Path, *, aside: Path) -> None:
    """One rename puts the environment into its place; the folder with this verb's log goes out of the way first."""
    if target.exists():
        target.rename(aside)
    source.rename(target)
