"""What the keeper is told, and where it is spoken to."""

import configparser
import stat
import tempfile
from pathlib import Path

import pytest

from headrace.errors import ServerError
from headrace.settings import load_settings
from operations import credentials, supervisor


def programs(settings):
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read_string(supervisor.render(settings))
    return {name.removeprefix("program:"): dict(parser[name]) for name in parser.sections() if name.startswith("program:")}


def staging(home, **variables):
    return load_settings("staging", home=home, variables=variables)


def test_staging_has_database_servers_and_worker(tmp_path):
    assert {"postgres", "prefect-server", "mlflow-server", "worker", "model-server"} <= set(programs(staging(tmp_path)))


def test_dev_keeps_neither_a_database_server_nor_a_registry_server(settings):
    assert {"postgres", "mlflow-server"}.isdisjoint(programs(settings))
    assert {"prefect-server", "worker"} <= set(programs(settings))


def test_an_external_database_is_not_kept(tmp_path):
    assert "postgres" not in programs(staging(tmp_path, HEADRACE_DATABASE_URI="postgresql://ada:word@db/postgres"))


def test_no_secret_is_in_the_configuration(tmp_path):
    settings = staging(tmp_path, HEADRACE_DATABASE_URI="postgresql://ada:pass-word@db/postgres")
    login = credentials.ensure_prefect_login(settings)
    text = supervisor.render(settings)
    assert login not in text
    assert "pass-word" not in text
    assert {program["command"].split('"')[2].rsplit(" ", 1)[0] for program in programs(settings).values()} == {" -m operations.launch"}


def test_a_worker_is_told_alone_and_given_time_so_that_its_flows_finish(tmp_path):
    worker = programs(staging(tmp_path))["worker"]
    assert worker["stopasgroup"] == "false"
    assert int(worker["stopwaitsecs"]) > 120
    # What is killed in the end is killed with its children.
    assert worker["killasgroup"] == "true"


def test_every_service_has_its_log_which_is_turned_over(tmp_path):
    for name, program in programs(staging(tmp_path)).items():
        assert program["stdout_logfile"] == str(tmp_path / "staging" / "log" / f"{name}.log")
        assert int(program["stdout_logfile_maxbytes"]) * (1 + int(program["stdout_logfile_backups"])) <= 50_000_000


def test_a_percent_sign_in_a_path_reaches_supervisord_as_one(tmp_path):
    settings = staging(tmp_path / "50%")
    assert programs(settings)["worker"]["stdout_logfile"].replace("%%", "%") == str(tmp_path / "50%" / "staging" / "log" / "worker.log")


def test_a_path_that_supervisord_would_cut_is_refused(tmp_path):
    with pytest.raises(ServerError, match="a blank before a semicolon; move the clone or HEADRACE_HOME"):
        supervisor.render(staging(tmp_path / "a ;b"))


def test_a_path_too_long_for_a_socket_moves_it_to_a_private_folder():
    near, far = staging(Path("/srv")), staging(Path("/srv") / ("d" * 100))
    assert supervisor.socket_path(near) == Path("/srv/staging/run/keeper.sock")
    assert supervisor.socket_path(far).parent.parent == Path(tempfile.gettempdir())
    assert supervisor.socket_path(far) != supervisor.socket_path(staging(Path("/srv") / ("e" * 100)))


def test_a_socket_folder_that_others_may_enter_is_refused(tmp_path, monkeypatch):
    settings = staging(tmp_path / ("d" * 100))
    folder = supervisor.socket_path(settings).parent
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    try:
        with pytest.raises(ServerError, match="is not ours alone"):
            supervisor.start_keeper(settings)
        assert supervisor.find_keeper(settings) is None
    finally:
        folder.rmdir()


def test_what_is_not_up_cannot_be_restarted(tmp_path):
    with pytest.raises(ServerError, match="staging is not up; run make up ENV=staging"):
        supervisor.restart(staging(tmp_path), "model-server")


def test_a_credential_is_generated_once_and_is_its_owners_alone(tmp_path):
    settings = staging(tmp_path)
    login = credentials.ensure_prefect_login(settings)
    assert credentials.ensure_prefect_login(settings) == login
    path = settings.environment_home / "secrets" / "prefect_login"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(login.removeprefix("admin:")) >= 40
