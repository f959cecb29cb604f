"""Generated credentials: one file each in `<environment>/secrets/`, readable by its owner only; never printed, never an argument."""

import os
import secrets
from pathlib import Path

from headrace import servers
from headrace.errors import SettingsError
from headrace.secrets import resolve_secret
from headrace.settings import Settings

POSTGRES_PASSWORD = "postgres_password"  # noqa: S105 - the name of a file
MLFLOW_ADMIN_PASSWORD = "mlflow_admin_password"  # noqa: S105 - the name of a file
MLFLOW_SESSION_KEY = "mlflow_session_key"
MLFLOW_AUTH_CONFIG = "mlflow_auth.ini"

# 256 bits in letters that need no quoting in an address or a file.
_BYTES = 32


def database_password_name(role: str) -> str:
    """The file with the password of a database role."""
    return f"{role}_database_password"


def ensure(settings: Settings, name: str, *, prefix: str = "") -> str:
    """A credential, generated the first time.

    Args:
        settings: The environment it belongs to.
        name: Its file.
        prefix: What a new value begins with (`admin:`).
    """
    path = servers.secret_path(settings, name)
    if not path.exists():
        write(settings, name, prefix + secrets.token_urlsafe(_BYTES))
    return read(settings, name)


def ensure_prefect_login(settings: Settings) -> str:
    """`user:password` of the Prefect API."""
    return ensure(settings, servers.PREFECT_LOGIN, prefix="admin:")


def read(settings: Settings, name: str) -> str:
    """A credential that was generated before.

    Raises:
        SettingsError: It is missing, empty, or others may read it.
    """
    return resolve_secret(f"file:{servers.secret_path(settings, name)}")


def write(settings: Settings, name: str, value: str) -> Path:
    """Put a secret into its file, whole or not at all."""
    path = servers.secret_path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.parent.stat().st_mode & 0o077:
        raise SettingsError(f"{path.parent} holds credentials and others may enter it; run chmod 700 {path.parent}")
    draft = path.with_name(f".{name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(value + "\n")
    draft.replace(path)
    return path
