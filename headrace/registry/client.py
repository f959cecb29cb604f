"""How the MLflow registry of an environment is reached: one client per address, and its errors as one sentence."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import RegistryError
from headrace.locking import hold
from headrace.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

_SQLITE = "sqlite:///"

# The defaults wait 246 s for a server that is not there; a flow's own retries are the place for patience.
_HTTP_DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_DISABLE_TELEMETRY": "true"}


def is_unborn(settings: Settings) -> bool:
    """Whether the registry is a SQLite file that nobody has written yet.

    Asking MLflow would create it, and two processes that create it at once leave a file that neither can read.
    """
    uri = settings.registry_uri
    return uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).exists()


@contextmanager
def open_registry(settings: Settings) -> Generator["MlflowClient"]:
    """A client, with MLflow's errors turned into one sentence that says which registry could not do what.

    Raises:
        RegistryError: It cannot be reached, or refuses.
    """
    for variable, value in _HTTP_DEFAULTS.items():
        os.environ.setdefault(variable, value)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = settings.registry_uri
    try:
        yield open_client(uri)
    except MlflowException as error:
        raise RegistryError(
            f"the registry of {settings.environment} refused or did not answer ({error.error_code}): {_first_line(error)}{_hint(settings, error)}"
        ) from error
    except (SQLAlchemyError, OSError) as error:
        raise RegistryError(
            f"the registry of {settings.environment} cannot be reached ({type(error).__name__}); check tracking_uri and that its store is up"
        ) from error


@lru_cache(maxsize=8)
def open_client(uri: str) -> "MlflowClient":
    """The client of an address, made once per process; a SQLite file is written by one process at a time where it is new."""
    from mlflow import MlflowClient

    if not uri.startswith(_SQLITE):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    file = Path(uri.removeprefix(_SQLITE))
    # The first client makes the tables, and one that comes while they are made would make them too.
    with hold(file.with_suffix(".lock")):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _hint(settings: Settings, error: "MlflowException") -> str:
    # MLflow's server says so of a model that is not there, too.
    is_denied = error.error_code == "PERMISSION_DENIED"
    return f"; make up ENV={settings.environment} creates the account and the registered models that are missing" if is_denied else ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
