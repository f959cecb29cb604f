"""What our own processes need in MLflow before they can use it: an account, and the registered models that they look for."""

import httpx

from headrace import servers
from headrace import use_case as use_cases
from headrace.errors import ServerError
from headrace.servers import HOST, MLFLOW_USER
from headrace.settings import Settings
from operations import credentials
from operations.health import client

ADMIN = "admin"


def ensure_account(settings: Settings) -> None:
    """Give our own processes their account; it may create experiments and models, and edit those it created.

    Raises:
        ServerError: MLflow refuses its administrator: the file with the password is not the one it was set up with.
    """
    password = credentials.ensure(settings, servers.MLFLOW_PASSWORD)
    address, wanted = _address(settings, "users"), {"username": MLFLOW_USER}
    if client().get(f"{address}/get", params=wanted, auth=(MLFLOW_USER, password)).is_success:
        return
    admin = (ADMIN, credentials.ensure(settings, credentials.MLFLOW_ADMIN_PASSWORD))
    body = {"username": MLFLOW_USER, "password": password}
    if client().get(f"{address}/get", params=wanted, auth=admin).is_success:
        answer = client().patch(f"{address}/update-password", json=body, auth=admin)
    else:
        answer = client().post(f"{address}/create", json=body, auth=admin)
    if not answer.is_success:
        raise ServerError(
            f"MLflow gives no account to our own processes (HTTP {answer.status_code}); its administrator's password must be the one in "
            f"{servers.secret_path(settings, credentials.MLFLOW_ADMIN_PASSWORD)}"
        )


def ensure_models(settings: Settings) -> None:
    """Create the registered model of every use case, still without a version, where missing.

    To an account that is no administrator, MLflow answers "denied" about a model that does not exist, as about one that it may
    not see. Since the first would mean that there is no champion, and the second that nobody can tell, none may be missing.

    Raises:
        ServerError: MLflow refuses to create one.
    """
    account = (MLFLOW_USER, credentials.read(settings, servers.MLFLOW_PASSWORD))
    for name in use_cases.names():
        body = {"name": f"{settings.environment}.{name}", "description": use_cases.load(name).title}
        answer = client().post(f"{_address(settings, 'registered-models')}/create", json=body, auth=account)
        if not answer.is_success and _error_code(answer) != "RESOURCE_ALREADY_EXISTS":
            raise ServerError(f"MLflow does not create the registered model {body['name']} (HTTP {answer.status_code}); see its log")


def _address(settings: Settings, resource: str) -> str:
    return f"http://{HOST}:{settings.mlflow_port}/api/2.0/mlflow/{resource}"


def _error_code(answer: httpx.Response) -> str:
    return str(answer.json().get("error_code")) if answer.headers.get("content-type", "").startswith("application/json") else ""
