"""PostgreSQL databases to files and back, by PostgreSQL's own programs; passwords in a file that they read, never an argument."""

import os
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from headrace.errors import BackupError, ServerError
from headrace.servers import HOST
from headrace.settings import Settings
from operations import postgres

_START_SECONDS = 120
_LOOK_SECONDS = 0.3


def dump(settings: Settings, folder: Path) -> list[str]:
    """Dump every database of the environment, each consistent in itself, in PostgreSQL's custom format.

    Returns:
        Names of the databases.

    Raises:
        ServerError: PostgreSQL does not answer.
        BackupError: A dump failed.
    """
    postgres.read_server_version(settings)
    names = [postgres.database_name(settings, purpose) for purpose in postgres.DATABASES]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        _run(settings, "pg_dump", ["--format=custom", "--no-owner", "--no-privileges", "--no-comments", f"--file={folder / name}.dump", name])
        (folder / f"{name}.dump").chmod(0o600)
    return names


def restore(settings: Settings, folder: Path, names: Sequence[str]) -> None:
    """Fill the environment's databases, which must hold nothing yet, from their dumps; each as a whole or not at all.

    Raises:
        BackupError: A database is not empty, or a dump cannot be restored; it names what was filled by then, if that stays.
    """
    postgres.ensure_databases(settings)
    for name in names:
        _check_empty(settings, name)
    for done, name in enumerate(names):
        # In a private cluster each database belongs to a role of its own, whom its tables must belong to as well.
        owner = [f"--role={name}"] if settings.database_uri is None else []
        options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", *owner, f"--dbname={name}"]
        try:
            _run(settings, "pg_restore", [*options, str(folder / f"{name}.dump")])
        except BackupError as error:
            # A private cluster is thrown away with what is in it; somebody else's is not ours to empty.
            if settings.database_uri is None or not done:
                raise
            raise BackupError(f"{error}. Filled by then, and to be emptied before that: {', '.join(names[:done])}") from error


@contextmanager
def running_cluster(settings: Settings) -> Generator[None]:
    """Run the private cluster of an environment for the length of a block; it is made where there is none.

    Raises:
        ServerError: It does not start.
    """
    postgres.ensure_cluster(settings)
    account = postgres.find_account()
    user, group, others = (None, None, None) if account is None else (account.uid, account.gid, [])
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            postgres.build_command(settings), cwd="/", stdout=log, stderr=log, user=user, group=group, extra_groups=others, start_new_session=True
        )
        try:
            _wait_until_up(settings, process)
            yield
        finally:
            # SIGINT is its fast shutdown: clients are ended, and what they committed is on disk.
            process.send_signal(2)
            process.wait(timeout=_START_SECONDS)


def _wait_until_up(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while True:
        try:
            postgres.read_server_version(settings)
        except ServerError as error:
            if process.poll() is not None or time.monotonic() - began > _START_SECONDS:
                raise ServerError(
                    f"the private PostgreSQL of {settings.environment} does not start on {HOST}:{settings.postgres_port}; see that the port is free"
                ) from error
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _check_empty(settings: Settings, name: str) -> None:
    parts = urlsplit(postgres.admin_uri(settings))
    uri = parts._replace(path=f"/{name}").geturl()
    with psycopg.connect(uri) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    if row is None or row[0]:
        raise BackupError(f"database {name} holds tables already; nothing was restored: name an empty PostgreSQL, or drop it first")


def _run(settings: Settings, program: str, arguments: Sequence[str]) -> None:
    parts = urlsplit(postgres.admin_uri(settings))
    host, port, user = parts.hostname or HOST, parts.port or 5432, unquote(parts.username or "")
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        passwords = Path(folder) / "pgpass"
        line = ":".join([_escape(host), str(port), "*", _escape(user), _escape(unquote(parts.password or ""))])
        with os.fdopen(os.open(passwords, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(line + "\n")
        variables = {**os.environ, "PGPASSFILE": str(passwords), "PGHOST": host, "PGPORT": str(port), "PGUSER": user}
        ended = subprocess.run([postgres.find_program(program), *arguments], env=variables, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines() or ["no message"]
        raise BackupError(f"{program} ended with {ended.returncode} ({lines[0]}); mend that and run the verb again")


def _escape(text: str) -> str:
    """As a password file wants it."""
    return text.replace("\\", "\\\\").replace(":", "\\:")
