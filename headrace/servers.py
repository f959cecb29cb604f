"""Where an environment's servers answer and how a process of ours logs in: what `make up` wrote down, for every other process.

`<environment>/run/servers.json` says who keeps the servers and `<environment>/secrets/` holds the generated credentials, each
in a file of mode 0600. Nothing here starts a server; `operations` does.
"""

import json
import os
from pathlib import Path

from headrace.errors import ServerError
from headrace.secrets import resolve_secret
from headrace.settings import Settings

HOST = "127.0.0.1"

# Names of the files in `<environment>/secrets/`.
PREFECT_LOGIN, MLFLOW_PASSWORD = "prefect_login", "mlflow_password"

# The account by which our own processes speak to MLflow.
MLFLOW_USER = "headrace"


def record_path(settings: Settings) -> Path:
    """The file that `make up` writes and `make down` removes: `{"pid": <process that keeps the servers>, "boot": <id of the machine's boot>}`."""
    return settings.environment_home / "run" / "servers.json"


def secret_path(settings: Settings, name: str) -> Path:
    """Where a generated credential lies."""
    return settings.find_folder("secrets", name)


def read_boot() -> str:
    """Id of this boot of the machine, after which process numbers begin anew; empty where the system tells none (macOS)."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def is_up(settings: Settings) -> bool:
    """Whether the process that keeps this environment's servers is alive; each server's own health is another question.

    Raises:
        ServerError: There is a record, and it does not say which process that is.
    """
    path = record_path(settings)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        keeper, boot = int(record["pid"]), record.get("boot", read_boot())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ServerError(
            f"{path} should say which process keeps the servers of {settings.environment}, and cannot be read as that "
            f"({type(error).__name__}); run make down ENV={settings.environment}, which removes it, then make up"
        ) from error
    if boot != read_boot():
        return False
    try:
        os.kill(keeper, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It is alive, and another user's.
        return True
    return True


def check_up(settings: Settings) -> None:
    """Refuse to go on without servers where the environment keeps its state in them.

    Raises:
        ServerError: The environment's database is PostgreSQL, and its servers are not up.
    """
    if settings.database == "postgres" and not is_up(settings):
        raise ServerError(
            f"the servers of {settings.environment} are not up, and it keeps its runs and versions in them; run make up ENV={settings.environment}"
        )


def client_variables(settings: Settings) -> dict[str, str]:
    """Variables by which a process reaches the servers that are up, credentials included; empty where none are."""
    if not is_up(settings):
        return {}
    variables = {
        "PREFECT_API_URL": f"http://{HOST}:{settings.prefect_port}/api",
        "PREFECT_API_AUTH_STRING": _read_secret(settings, PREFECT_LOGIN),
    }
    if settings.database == "postgres" and settings.tracking_uri is None:
        variables |= {"MLFLOW_TRACKING_USERNAME": MLFLOW_USER, "MLFLOW_TRACKING_PASSWORD": _read_secret(settings, MLFLOW_PASSWORD)}
    return variables


def _read_secret(settings: Settings, name: str) -> str:
    return resolve_secret(f"file:{secret_path(settings, name)}")
