"""A process finds the servers of its environment, or is told that they are not up."""

import json
import os
import stat

import pytest

from headrace import servers
from headrace.errors import ServerError, SettingsError
from headrace.settings import load_settings


def write_record(settings, pid, boot=None):
    path = servers.record_path(settings)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid, "boot": servers.read_boot() if boot is None else boot}))


def write_secret(settings, name, value, mode=0o600):
    path = servers.secret_path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value)
    path.chmod(mode)


@pytest.fixture
def staging(tmp_path):
    return load_settings("staging", home=tmp_path, variables={})


def test_nothing_is_up_before_make_up(staging):
    assert not servers.is_up(staging)
    assert servers.client_variables(staging) == {}


def test_an_environment_with_servers_asks_for_them(staging):
    with pytest.raises(ServerError, match="servers of staging are not up.*make up ENV=staging"):
        servers.check_up(staging)


def test_an_environment_of_files_needs_no_server(settings):
    assert servers.check_up(settings) is None


def test_a_keeper_that_died_keeps_nothing(staging):
    # No process has this number: the kernel's limit is 2^22.
    write_record(staging, 2**30)
    assert not servers.is_up(staging)


def test_a_keeper_of_before_the_machine_was_started_anew_keeps_nothing(staging):
    write_record(staging, os.getpid(), boot="of yesterday")
    assert not servers.is_up(staging)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "none"}', '{"pid": null}', "\xff"])
def test_a_record_that_says_nothing_decides_nothing(staging, text):
    write_record(staging, 1)
    servers.record_path(staging).write_text(text, encoding="latin-1")
    with pytest.raises(ServerError, match=r"servers\.json should say .* run make down ENV=staging"):
        servers.is_up(staging)


def test_a_client_learns_address_and_credentials(staging):
    write_record(staging, os.getpid())
    write_secret(staging, servers.PREFECT_LOGIN, "admin:secret")
    write_secret(staging, servers.MLFLOW_PASSWORD, "secret")
    assert servers.client_variables(staging) == {
        "PREFECT_API_URL": "http://127.0.0.1:4202/api",
        "PREFECT_API_AUTH_STRING": "admin:secret",
        "MLFLOW_TRACKING_USERNAME": "headrace",
        "MLFLOW_TRACKING_PASSWORD": "secret",
    }


def test_a_credential_that_others_may_read_is_refused(staging):
    write_record(staging, os.getpid())
    write_secret(staging, servers.PREFECT_LOGIN, "admin:secret", mode=stat.S_IRUSR | stat.S_IRGRP)
    with pytest.raises(SettingsError, match="others may read it"):
        servers.client_variables(staging)
