"""The keeper of an environment's services: one supervisord, which starts them, restarts what dies, and turns their logs over.

Its configuration is written anew by each `make up` and holds no secret: every program is `python -m operations.launch <service>`.
"""

import hashlib
import http.client
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from headrace import servers
from headrace.errors import ServerError
from headrace.settings import ROOT, Settings
from operations import processes
from operations.services import Service, possible_services

# The kernel takes 107 bytes for the path of a socket, and supervisord first makes one with its process id behind the name.
_SOCKET_BYTES = 90

_LOG_BYTES, _LOG_FILES = 10_000_000, 3

# A program that ends sooner has failed to start: the next try comes one second later than the last did.
_START_SECONDS, _START_TRIES = 3, 100

# Overrides of this shell, the tools' own variables and make's are no business of a server that outlives the shell.
_LEFT_BEHIND = ("HEADRACE_", "PREFECT_", "MLFLOW_", "MAKE", "MFLAGS", "PYTHON", "GIT_", "PYTEST")


@dataclass(frozen=True, kw_only=True)
class State:
    """What the keeper says about one program.

    Attributes:
        status: supervisord's word: `RUNNING`, `STARTING`, `BACKOFF`, `STOPPING`, `STOPPED`, `EXITED`, `FATAL`.
        pid: Its process, 0 when there is none.
        started: When that was started, seconds since 1970.
        note: What the keeper has to say about it.
    """

    status: str
    pid: int
    started: float
    note: str


def log_path(settings: Settings, service: str) -> Path:
    """The log of one service."""
    return settings.environment_home / "log" / f"{service}.log"


def socket_path(settings: Settings) -> Path:
    """The keeper's control socket: in the environment's own folder, or in a private one elsewhere where that path is too long."""
    path = settings.environment_home / "run" / "keeper.sock"
    if len(os.fsencode(path)) <= _SOCKET_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(settings.environment_home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"headrace-{os.geteuid()}-{name}" / "keeper.sock"


def render(settings: Settings) -> str:
    """The configuration of supervisord."""
    run, user = settings.environment_home / "run", "\nuser=root" if os.geteuid() == 0 else ""
    head = f"""; Written by make up. No secret is in here: operations.launch reads them.
[supervisord]
pidfile={_quote(run / "keeper.pid")}
logfile={_quote(log_path(settings, "keeper"))}
logfile_maxbytes={_LOG_BYTES}
logfile_backups={_LOG_FILES}
childlogdir={_quote(settings.environment_home / "log")}
directory={_quote(ROOT)}
identifier=headrace-{settings.environment}{user}

[unix_http_server]
file={_quote(socket_path(settings))}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return "\n".join([head, *[_render_program(settings, service) for service in possible_services(settings)]])


def start_keeper(settings: Settings) -> int:
    """Start supervisord in the background, with no program running yet, and write down that it keeps this environment.

    Returns:
        Its process id.
    """
    run = settings.environment_home / "run"
    for folder in (run, settings.environment_home / "log"):
        folder.mkdir(parents=True, exist_ok=True)
    control = socket_path(settings)
    _make_private(control.parent, is_shared=control.parent != run)
    control.unlink(missing_ok=True)
    configuration = write_configuration(settings)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_BEHIND)}
    kept |= {"HEADRACE_ENV": settings.environment, "HEADRACE_HOME": str(settings.home), processes.MARK: str(settings.environment_home)}
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
    started = subprocess.run(command, cwd=ROOT, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if started.returncode != 0:
        lines = (started.stderr.strip() or started.stdout.strip()).splitlines() or ["no message"]
        raise ServerError(f"supervisord did not start ({lines[-1]}); see {log_path(settings, 'keeper')}")
    deadline = time.monotonic() + 30
    while (pid := find_keeper(settings)) is None:
        if time.monotonic() > deadline:
            raise ServerError(f"supervisord does not answer on {control}; see {log_path(settings, 'keeper')}")
        time.sleep(0.1)
    servers.record_path(settings).write_text(json.dumps({"pid": pid, "boot": servers.read_boot()}) + "\n", encoding="utf-8")
    return pid


def write_configuration(settings: Settings) -> Path:
    """Write supervisord's configuration to `<environment>/run/keeper.conf`."""
    path = settings.environment_home / "run" / "keeper.conf"
    path.write_text(render(settings), encoding="utf-8")
    return path


def find_keeper(settings: Settings) -> int | None:
    """Process id of the keeper when it answers, else None."""
    try:
        return int(_call(settings, "getPID"))
    except (OSError, http.client.HTTPException):
        return None


def read_states(settings: Settings) -> Mapping[str, State]:
    """Every program that the keeper knows, by name."""
    found = _call(settings, "getAllProcessInfo")
    return {one["name"]: State(status=one["statename"], pid=one["pid"], started=one["start"], note=one["spawnerr"]) for one in found}


def add_new_programs(settings: Settings) -> None:
    """Tell a keeper that is up about services that it does not know yet."""
    write_configuration(settings)
    [[added, _changed, _removed]] = _call(settings, "reloadConfig")
    for name in added:
        _call(settings, "addProcessGroup", name)


def start(settings: Settings, service: str) -> None:
    """Start a service, unless it is running; its health is another question."""
    try:
        _call(settings, "startProcess", service, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != Faults.ALREADY_STARTED:
            raise ServerError(f"{service} cannot be started ({fault.faultString}); see {log_path(settings, service)}") from fault


def stop(settings: Settings, service: str, *, waits: bool = True) -> None:
    """Tell a service to end; with `waits`, return when it has."""
    try:
        _call(settings, "stopProcess", service, waits)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in (Faults.NOT_RUNNING, Faults.BAD_NAME):
            raise ServerError(f"{service} cannot be stopped ({fault.faultString}); see {log_path(settings, service)}") from fault


def restart(settings: Settings, service: str) -> None:
    """Stop a service if it runs and start it again: `restart(settings, "model-server")` after a deployment.

    Raises:
        ServerError: The environment is not up, or the service cannot be started.
    """
    if find_keeper(settings) is None:
        raise ServerError(f"{service} cannot be restarted, because {settings.environment} is not up; run make up ENV={settings.environment}")
    add_new_programs(settings)
    stop(settings, service)
    start(settings, service)


def stop_keeper(settings: Settings) -> None:
    """End supervisord and forget it; its programs must have ended before."""
    pid = find_keeper(settings)
    if pid is not None:
        _call(settings, "shutdown")
        if not processes.wait_for_end([pid], seconds=30):
            raise ServerError(f"supervisord (process {pid}) of {settings.environment} does not end; see {log_path(settings, 'keeper')}")
    forget_keeper(settings)


def forget_keeper(settings: Settings) -> None:
    """Remove what a keeper that has ended left behind."""
    control = socket_path(settings)
    for path in (servers.record_path(settings), control, settings.environment_home / "run" / "keeper.pid"):
        path.unlink(missing_ok=True)
    if control.parent != settings.environment_home / "run" and control.parent.is_dir():
        control.parent.rmdir()


def _render_program(settings: Settings, service: Service) -> str:
    with_children = str(service.is_stopped_with_children).lower()
    return f"""[program:{service.name}]
command="{_quote(Path(sys.executable))}" -m operations.launch {service.name}
directory={_quote(ROOT)}
autostart=false
autorestart=true
startsecs={_START_SECONDS}
startretries={_START_TRIES}
stopsignal={service.stop_signal}
stopwaitsecs={service.stop_seconds}
stopasgroup={with_children}
killasgroup=true
redirect_stderr=true
stdout_logfile={_quote(log_path(settings, service.name))}
stdout_logfile_maxbytes={_LOG_BYTES}
stdout_logfile_backups={_LOG_FILES}
"""


def _quote(path: Path) -> str:
    """A path as supervisord reads it back.

    Raises:
        ServerError: It holds what would end the value.
    """
    text = str(path)
    if " ;" in text or "\n" in text or '"' in text:
        raise ServerError(f"the path {text!r} holds a quote, a line end or a blank before a semicolon; move the clone or HEADRACE_HOME elsewhere")
    return text.replace("%", "%%")


def _make_private(folder: Path, *, is_shared: bool) -> None:
    """Make the folder of the control socket; one in a folder of everybody's must be ours alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if is_shared and (not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077):
        raise ServerError(f"{folder} is not ours alone, and the control socket shall lie in it; remove it and run the verb again")


def _call(settings: Settings, method: str, *arguments: Any) -> Any:
    """One call of supervisord's interface.

    Raises:
        OSError: Nobody listens on the socket.
    """
    transport = SupervisorTransport(None, None, f"unix://{socket_path(settings)}")
    with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport, allow_none=True) as proxy:
        return getattr(proxy.supervisor, method)(*arguments)
