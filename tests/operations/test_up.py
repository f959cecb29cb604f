"""What `make up` refuses before it starts anything, and how processes are found and ended."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from headrace.errors import ServerError, SettingsError
from headrace.settings import load_settings
from operations import credentials, health, lock, processes, services, up
from operations.down import run as run_down
from operations.status import run as run_status


def staging(home, **variables):
    return load_settings("staging", home=home, variables=variables)


def test_a_taken_port_is_named_with_the_setting_that_changes_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = staging(tmp_path, HEADRACE_PREFECT_PORT=str(port))
        with pytest.raises(ServerError, match=f"port {port} of prefect-server is taken .*set prefect_port to a free port in .*local.yaml"):
            health.check_port_free(settings, services.PREFECT_SERVER)
    assert health.check_port_free(settings, services.PREFECT_SERVER) is None


def test_an_override_that_the_servers_would_not_have_is_refused(tmp_path):
    with pytest.raises(ServerError, match="HEADRACE_PREFECT_PORT would hold for this shell and not for the servers.*local.yaml"):
        up.check_no_overrides(staging(tmp_path, HEADRACE_PREFECT_PORT="4999"))
    assert up.check_no_overrides(staging(tmp_path)) is None


def test_two_verbs_do_not_start_one_environment_together(tmp_path):
    with lock.hold(staging(tmp_path)), pytest.raises(ServerError, match="another verb is starting or stopping staging"), lock.hold(staging(tmp_path)):
        raise AssertionError("both hold it")


def test_a_folder_of_credentials_that_others_may_enter_is_refused(tmp_path):
    (tmp_path / "staging" / "secrets").mkdir(parents=True)
    (tmp_path / "staging" / "secrets").chmod(0o755)
    with pytest.raises(SettingsError, match="others may enter it; run chmod 700"):
        credentials.ensure_prefect_login(staging(tmp_path))


def test_a_model_server_is_expected_once_a_commit_is_deployed(tmp_path):
    settings = staging(tmp_path)
    assert services.MODEL_SERVER not in services.expected_services(settings)
    services.release_path(settings).parent.mkdir(parents=True)
    services.release_path(settings).write_text('{"commit": "abc", "folder": "/", "python": "/bin/python"}')
    assert services.MODEL_SERVER in services.expected_services(settings)


def test_what_others_need_is_started_before_them_and_stopped_after(tmp_path):
    names = [service.name for service in services.possible_services(staging(tmp_path))]
    assert names.index("postgres") < names.index("prefect-server") < names.index("worker")


def test_what_is_not_up_is_down_already_and_not_well(tmp_path, capsys):
    settings = staging(tmp_path)
    assert run_down(settings, None) == 0
    assert run_status(settings, None) == 1
    assert capsys.readouterr().out.splitlines() == ["staging is not up; nothing to do", "staging is not up; run make up ENV=staging"]


def test_a_process_that_does_not_listen_is_killed(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True, env={processes.MARK: str(tmp_path / "staging")})
    assert child.stdout is not None
    assert child.stdout.readline() == "deaf\n"
    assert processes.find_marked(staging(tmp_path)) == [child.pid]
    assert processes.read_memory_mb(child.pid) > 1
    started = time.monotonic()
    processes.end_processes([child.pid], patience_seconds=0.3)
    assert time.monotonic() - started < 10
    # Not waited for by us, it is a zombie, which runs no more.
    assert not processes.is_running(child.pid)
    assert child.wait() == -signal.SIGKILL
    assert processes.find_marked(staging(tmp_path)) == []


def test_ps_tells_what_proc_tells():
    with subprocess.Popen(["/bin/sleep", "30"]) as child:
        [listed] = [found for found in processes._read_ps() if found.pid == child.pid]
        [read] = [found for found in processes._read_proc() if found.pid == child.pid]
        child.kill()
    assert (listed.pid, listed.parent) == (read.pid, read.parent) == (child.pid, os.getpid())
