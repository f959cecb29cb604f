"""Open the pages of a library on what an environment stored: `python -m tools.ui mlflow --port 5001`.

They are bound to loopback, because neither asks for a password. They end with Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from headrace import process
from headrace.errors import HeadraceError
from headrace.servers import HOST, is_up, secret_path
from headrace.settings import Settings, load_settings


def main() -> int:
    """Become the chosen server; a person's mistake ends in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m tools.ui", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", choices=("mlflow", "prefect"))
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    try:
        settings = load_settings()
        process.prepare(settings)
        if address := find_server(settings, options.pages):
            # The environment has its own, and they hold the port.
            sys.stdout.write(f"{options.pages} of {settings.environment}: {address}, up since make up; its login is in {secret_path(settings, '')}\n")
            return 0
        command, variables = build_mlflow(settings, options.port) if options.pages == "mlflow" else build_prefect(options.port)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{options.pages} of {settings.environment}: http://{HOST}:{options.port}  (Ctrl-C ends it)\n")
    sys.stdout.flush()
    executable = Path(sys.executable).with_name(command[0])
    os.execve(executable, [str(executable), *command[1:]], {**os.environ, **variables})  # noqa: S606 - no shell, our own interpreter's folder


def find_server(settings: Settings, pages: str) -> str | None:
    """Address of the environment's own server, when `make up` keeps one."""
    if not is_up(settings) or (pages == "mlflow" and (settings.database != "postgres" or settings.tracking_uri is not None)):
        return None
    return f"http://{HOST}:{settings.mlflow_port if pages == 'mlflow' else settings.prefect_port}"


def build_mlflow(settings: Settings, port: int) -> tuple[list[str], Mapping[str, str]]:
    """Command and variables of MLflow's pages; the address of the registry may hold a password, so it is no argument."""
    return ["mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"], {"MLFLOW_BACKEND_STORE_URI": settings.registry_uri}


def build_prefect(port: int) -> tuple[list[str], Mapping[str, str]]:
    """Command and variables of Prefect's pages; a port given as an argument would not reach its web page."""
    variables = {"PREFECT_SERVER_API_HOST": HOST, "PREFECT_SERVER_API_PORT": str(port), "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false"}
    return ["prefect", "server", "start"], variables


if __name__ == "__main__":
    sys.exit(main())
