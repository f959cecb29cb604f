"""The private PostgreSQL cluster of an environment, or the external one that a setting names: binaries, cluster, databases, addresses.

A private cluster lies in `<environment>/postgres`, listens on loopback only and asks everyone for a password (SCRAM). PostgreSQL
refuses to run as root, so root hands that one folder to another user and becomes that user for PostgreSQL alone.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from headrace.errors import ServerError
from headrace.secrets import resolve_secret
from headrace.servers import HOST
from headrace.settings import Settings
from operations import credentials

# What keeps its state in a database of its own. Prefect's searches need pg_trgm.
PREFECT, MLFLOW, MLFLOW_AUTH = "prefect", "mlflow", "mlflow_auth"
DATABASES = (PREFECT, MLFLOW, MLFLOW_AUTH)

SUPERUSER = "headrace"

# Where distributions put each version's programs.
VERSIONED = Path("/usr/lib/postgresql")

# Users to become when we are root, the first that exists.
_USERS = ("postgres", "nobody")

_CONNECT_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int


def database_name(settings: Settings, purpose: str) -> str:
    """`<environment>_prefect` and so on; in a private cluster also the name of the role that owns it."""
    return f"{settings.environment}_{purpose}"


def database_uri(settings: Settings, purpose: str, *, scheme: str = "postgresql") -> str:
    """Address of one database, password included: for a process's environment, never for a command line.

    Args:
        settings: The environment.
        purpose: One of `DATABASES`.
        scheme: What the reader of the address wants it to begin with (`postgresql+asyncpg`).
    """
    name = database_name(settings, purpose)
    if settings.database_uri is not None:
        return urlunsplit((scheme, _read_external(settings).netloc, f"/{name}", "", ""))
    password = credentials.ensure(settings, credentials.database_password_name(purpose))
    return f"{scheme}://{name}:{quote(password)}@{HOST}:{settings.postgres_port}/{name}"


def admin_uri(settings: Settings) -> str:
    """Address by which databases are created, backed up and restored."""
    if settings.database_uri is not None:
        parts = _read_external(settings)
        return urlunsplit(("postgresql", parts.netloc, parts.path if len(parts.path) > 1 else "/postgres", "", ""))
    password = credentials.ensure(settings, credentials.POSTGRES_PASSWORD)
    return f"postgresql://{SUPERUSER}:{quote(password)}@{HOST}:{settings.postgres_port}/postgres"


def _read_external(settings: Settings) -> SplitResult:
    """The external server's address; options behind a question mark mean other things to each of the three clients, so none is taken.

    Raises:
        ServerError: The address has options.
    """
    parts = urlsplit(resolve_secret(str(settings.database_uri)))
    if parts.query:
        raise ServerError(
            f"database_uri of {settings.environment} has options behind a question mark, which Prefect, MLflow and pg_dump do not all understand; "
            "leave them out, and reach a server that wants them through a local proxy such as PgBouncer"
        )
    return parts


def read_server_version(settings: Settings) -> str:
    """Version of the server, which proves that it answers.

    Raises:
        ServerError: It does not, or refuses our account.
    """
    try:
        with psycopg.connect(admin_uri(settings), connect_timeout=_CONNECT_SECONDS) as connection:
            [version] = connection.execute("SHOW server_version").fetchone() or ["unknown"]
            return str(version).split()[0]
    except psycopg.OperationalError as error:
        where = "the PostgreSQL of database_uri" if settings.database_uri is not None else f"PostgreSQL on {HOST}:{settings.postgres_port}"
        raise ServerError(f"{where} does not answer ({_first_line(error)}); see that it is up and knows our account") from error


def find_program(name: str, *, search_path: str | None = None, versioned: Path = VERSIONED) -> Path:
    """A program of PostgreSQL: on PATH, else in the distribution's folder of the newest version.

    Args:
        name: `initdb`, `postgres`, `pg_dump`.
        search_path: Folders to look in, PATH when left out.
        versioned: The distribution's folder of versions.

    Raises:
        ServerError: It is in neither.
    """
    control = shutil.which("pg_ctl", path=search_path)
    # Beside pg_ctl itself, once links are followed, lie the others of its version.
    folders = [] if control is None else [Path(control).resolve().parent]
    folders += sorted(versioned.glob("[0-9]*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return folder / name
    raise ServerError(
        f"{name} of PostgreSQL is neither on PATH nor in {versioned}/*/bin; install it (Debian: apt-get install postgresql, "
        "macOS: brew install postgresql), or set database_uri to a server that is there"
    )


def find_account() -> Account | None:
    """Whom to become before PostgreSQL is started; None when this process is no root and can start it itself.

    Raises:
        ServerError: This is root, and there is nobody else to become.
    """
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=found.pw_uid, gid=found.pw_gid)
    raise ServerError(f"PostgreSQL does not run as root, and there is no user {' or '.join(_USERS)}; create one (useradd --system postgres)")


def cluster_folder(settings: Settings) -> Path:
    """Where the private cluster lies."""
    return settings.environment_home / "postgres"


def check_enterable(folder: Path, account: Account) -> None:
    """See that a user can reach a folder.

    Raises:
        ServerError: A folder on the way to it is closed to that user.
    """
    for parent in reversed([folder, *folder.parents]):
        tried = subprocess.run(["/usr/bin/env", "test", "-x", str(parent)], user=account.uid, group=account.gid, extra_groups=[], check=False)
        if tried.returncode != 0:
            raise ServerError(
                f"PostgreSQL runs as user {account.name}, who cannot enter {parent}; run chmod o+x {parent}, "
                "or set HEADRACE_HOME to a folder that everyone can enter, such as /var/lib/headrace"
            )


def ensure_cluster(settings: Settings) -> bool:
    """Make the private cluster, unless it is there.

    Returns:
        Whether it was made.

    Raises:
        ServerError: There are no programs, no user to run them, or the folder is out of that user's reach.
    """
    folder, account, program = cluster_folder(settings), find_account(), find_program("initdb")
    if (folder / "PG_VERSION").is_file():
        if account is not None:
            check_enterable(folder, account)
        return False
    # Made beside its place and renamed, so that a cluster that is there is whole; what a killed start left is thrown away.
    building = folder.with_name(".postgres.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True, mode=0o700)
    if account is not None:
        os.chown(building, account.uid, account.gid)
        check_enterable(building, account)
    with tempfile.NamedTemporaryFile("w", prefix="headrace-") as password:
        password.write(credentials.ensure(settings, credentials.POSTGRES_PASSWORD))
        password.flush()
        if account is not None:
            os.chown(password.name, account.uid, account.gid)
        options = ["-U", SUPERUSER, "--pwfile", password.name, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums"]
        _run([str(program), "-D", str(building), *options], account)
    building.replace(folder)
    return True


def build_command(settings: Settings) -> list[str]:
    """The server of the private cluster: loopback TCP, no socket file, whose path might be too long."""
    options = {"listen_addresses": HOST, "port": str(settings.postgres_port), "unix_socket_directories": "", "log_line_prefix": "%m [%p] %d "}
    return [str(find_program("postgres")), "-D", str(cluster_folder(settings)), *[f"--{name}={value}" for name, value in options.items()]]


def ensure_databases(settings: Settings) -> list[str]:
    """Create the databases that are missing; in a private cluster each with a role of its own, whose password follows its file.

    Returns:
        Names of those created.
    """
    created = []
    try:
        with psycopg.connect(admin_uri(settings), autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
            for purpose in DATABASES:
                name = database_name(settings, purpose)
                if settings.database_uri is None:
                    _ensure_role(connection, name, credentials.ensure(settings, credentials.database_password_name(purpose)))
                if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name)))
                    created.append(name)
                if settings.database_uri is None:
                    connection.execute(sql.SQL("ALTER DATABASE {0} OWNER TO {0}").format(sql.Identifier(name)))
                    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        _ensure_extension(settings)
    except psycopg.Error as error:
        raise ServerError(f"the databases of {settings.environment} cannot be created ({_first_line(error)}); give our account that right") from error
    return created


def _ensure_role(connection: psycopg.Connection, name: str, password: str) -> None:
    # The server, and whatever it logs, sees the verifier only.
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None
    command = "ALTER ROLE {} LOGIN PASSWORD {}" if exists else "CREATE ROLE {} LOGIN PASSWORD {}"
    connection.execute(sql.SQL(command).format(sql.Identifier(name), sql.Literal(verifier)))


def _ensure_extension(settings: Settings) -> None:
    parts = urlsplit(admin_uri(settings))
    uri = urlunsplit((parts.scheme, parts.netloc, f"/{database_name(settings, PREFECT)}", parts.query, ""))
    with psycopg.connect(uri, autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")


def _run(command: Sequence[str], account: Account | None) -> None:
    user, group, others = (None, None, None) if account is None else (account.uid, account.gid, [])
    # It would refuse a working directory that its user cannot read.
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, user=user, group=group, extra_groups=others)
    if ended.returncode != 0:
        lines = (ended.stderr.strip() or ended.stdout.strip()).splitlines() or ["no message"]
        raise ServerError(f"{Path(command[0]).name} ended with {ended.returncode} ({lines[-1]}); mend that and run the verb again")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
