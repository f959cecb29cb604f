"""What every process of ours sets before it imports the big libraries: where they keep state, and that they call nobody."""

import logging
import os
import signal
from pathlib import Path

from headrace import servers
from headrace.settings import Settings


def prepare(settings: Settings) -> None:
    """Set the variables of this process. A variable that the caller has set is left alone: it may name a real server."""
    variables = {
        "PREFECT_HOME": str(settings.environment_home / "prefect"),
        # The first start on a busy machine took more than Prefect's own 20 s.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
        # With analytics on, the very first start prints a traceback about a locked database.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        # The watcher takes a run for lost when three beats are missing; Prefect's own 180 s would make that nine minutes.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_CLI_PROMPT": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # With a server it would print two lines per run.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "LOKY_MAX_CPU_COUNT": str(settings.threads),
        "MPLCONFIGDIR": str(settings.environment_home / "run" / "matplotlib"),
    }
    for name, value in (variables | servers.client_variables(settings)).items():
        os.environ.setdefault(name, value)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def end_orphaned_servers(settings: Settings) -> int:
    """End the embedded Prefect servers of this environment whose process was killed and could not take them along.

    Returns:
        Number of servers ended. Where there is no `/proc` (macOS), none can be found.
    """
    home = f"PREFECT_HOME={os.environ.get('PREFECT_HOME', settings.environment_home / 'prefect')}".encode()
    ended = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            if home not in variables or b"PREFECT__SERVER_EPHEMERAL=1" not in variables:
                continue
            # A server's parent is the Python that started it. When that dies, init or the session adopts it, and neither is Python.
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = Path("/proc", parent, "cmdline").read_bytes().split(b"\0")[0]
            if not Path(os.fsdecode(command)).name.startswith("python"):
                os.kill(int(folder.name), signal.SIGTERM)
                ended += 1
        except OSError:
            # The process ended while we looked, or is another user's.
            continue
    return ended


def start_logging(settings: Settings, *, name: str) -> Path:
    """Send the library's lines (one per table touched, never a row's values) to `<environment>/log/<name>.log`; warnings also to the terminal.

    Returns:
        The log file.
    """
    path = settings.find_folder("log", f"{name}.log")
    path.parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(path, encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    to_terminal = logging.StreamHandler()
    to_terminal.setLevel(logging.WARNING)
    to_terminal.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    library = logging.getLogger("headrace")
    library.setLevel(settings.log_level)
    library.handlers = [to_file, to_terminal]
    library.propagate = False
    for noisy in ("mlflow", "alembic", "great_expectations", "optuna"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return path
