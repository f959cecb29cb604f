import re
import traceback

import pytest
import yaml
from pydantic import ValidationError

from headrace import settings as module
from headrace.errors import SettingsError
from headrace.secrets import resolve_secret
from headrace.settings import LOCAL_FILE, ROOT, Settings, environments, load_settings

PASSWORD = "hunter2"


@pytest.fixture
def environment_file(tmp_path, monkeypatch):
    """A clone with one environment, `lab`, whose file a test may change."""
    path = tmp_path / "environments" / "lab.yaml"
    path.parent.mkdir()
    path.write_text((ROOT / "environments" / "dev.yaml").read_text())
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return path


def load(tmp_path, name="dev", **variables):
    return load_settings(name, home=tmp_path, variables=variables)


def test_the_environments_are_the_files():
    assert environments() == ["dev", "prod", "staging"]


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_every_environment_loads_and_names_itself(tmp_path, name):
    settings = load(tmp_path, name)
    assert settings.environment == name
    assert settings.lake_root == tmp_path / name / "lake"


def test_only_dev_promotes_without_a_person(tmp_path):
    assert {name: load(tmp_path, name).approval for name in environments()} == {"dev": "automatic", "staging": "required", "prod": "required"}


def test_prod_reads_no_other_environment(tmp_path):
    assert not load(tmp_path, "prod").readable


def test_every_server_is_on_loopback_by_default(tmp_path):
    assert {load(tmp_path, name).serving_host for name in environments()} == {"127.0.0.1"}


def test_what_this_machine_says_replaces_a_setting_for_every_process_and_a_variable_replaces_that(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / LOCAL_FILE).write_text("threads: 1\nprefect_port: 4999\n")
    assert (load(tmp_path).threads, load(tmp_path).prefect_port) == (1, 4999)
    assert load(tmp_path, HEADRACE_THREADS="3").threads == 3
    assert load(tmp_path, "staging").threads == 2


def test_a_misspelt_key_of_this_machine_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / LOCAL_FILE).write_text("thread: 1\n")
    with pytest.raises(SettingsError, match=r"dev/local.yaml .*unknown key 'thread'"):
        load(tmp_path)


def test_a_registry_lies_in_a_file_or_behind_the_server_of_its_own_environment(tmp_path):
    assert load(tmp_path).registry_uri == f"sqlite:///{tmp_path}/dev/registry/mlflow.db"
    assert load(tmp_path, "staging").registry_uri == "http://127.0.0.1:5002"
    assert load(tmp_path, "prod").registry_uri == "http://127.0.0.1:5003"


def test_no_two_servers_of_one_machine_share_a_port(tmp_path):
    fields = ("postgres_port", "prefect_port", "mlflow_port", "serving_port")
    ports = [getattr(load(tmp_path, name), field) for name in environments() for field in fields]
    assert len(set(ports)) == len(ports)


def test_settings_cannot_be_changed_once_read(tmp_path):
    with pytest.raises(ValidationError, match="frozen"):
        load(tmp_path).seed = 1


def test_the_environment_comes_from_the_process(tmp_path):
    assert load_settings(variables={"HEADRACE_ENV": "staging", "HEADRACE_HOME": str(tmp_path)}).environment_home == tmp_path / "staging"


def test_state_lies_in_the_clone_unless_the_process_says_otherwise():
    assert load_settings("dev", variables={}).home == ROOT / ".headrace"


def test_a_home_that_is_relative_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings("dev", variables={"HEADRACE_HOME": "state"}).home == tmp_path / "state"


def test_no_environment_is_an_error_that_lists_them():
    with pytest.raises(SettingsError, match="set ENV .* to one of: dev, prod, staging"):
        load_settings(variables={})


@pytest.mark.parametrize("name", ["prd", "../dev", "DEV", "dev.yaml"])
def test_an_unknown_environment_is_an_error_that_lists_them(name):
    with pytest.raises(SettingsError, match=f"{re.escape(repr(name))} has no .*known: dev, prod, staging"):
        load_settings(name, variables={})


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("HEADRACE_THREADS", "1", "threads", 1),
        ("HEADRACE_CLOCK", "wall", "clock", "wall"),
        ("HEADRACE_TRACKING_URI", "null", "tracking_uri", None),
        ("HEADRACE_READABLE", "{prod: /data/prod}", "readable", {"prod": "/data/prod"}),
    ],
)
def test_an_override_replaces_one_setting(tmp_path, variable, text, field, value):
    assert getattr(load(tmp_path, **{variable: text}), field) == value


def test_variables_of_others_are_none_of_ours(tmp_path):
    assert load(tmp_path, THREADS="1", PREFECT_HOME="elsewhere") == load(tmp_path)


def test_an_override_of_no_setting_is_an_error_that_lists_them(tmp_path):
    with pytest.raises(SettingsError, match="HEADRACE_THREDS names no setting; known: HEADRACE_ENV, HEADRACE_HOME, .*HEADRACE_THREADS"):
        load(tmp_path, HEADRACE_THREDS="1")


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("HEADRACE_THREADS", "0", "threads: .*greater than or equal to 1, got 0"),
        ("HEADRACE_LANDING_ROOT", "landing", "landing_root: .*landing is no absolute folder"),
        ("HEADRACE_CLOCK", "sundial", "clock: .*'wall' or 'replay'"),
        ("HEADRACE_SERVING_PORT", "http", "serving_port: .*integer"),
    ],
)
def test_an_override_of_the_wrong_value_says_what_was_expected(tmp_path, variable, text, says):
    with pytest.raises(SettingsError, match=says):
        load(tmp_path, **{variable: text})


def test_an_unknown_key_is_an_error_that_lists_them(environment_file):
    environment_file.write_text(environment_file.read_text() + "threds: 1\n")
    with pytest.raises(SettingsError, match="unknown key 'threds'; known: .*threads"):
        load_settings("lab", variables={})


def test_a_missing_key_is_an_error_that_shows_no_other_setting(environment_file):
    values = yaml.safe_load(environment_file.read_text())
    del values["seed"]
    environment_file.write_text(yaml.safe_dump(values | {"tracking_uri": f"postgresql://ada:{PASSWORD}@db/mlflow"}))
    with pytest.raises(SettingsError, match="seed: is missing$") as raised:
        load_settings("lab", variables={})
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("text", ["[1, 2", "just words", "- a\n- list\n"])
def test_a_file_that_is_no_mapping_is_an_error(environment_file, text):
    environment_file.write_text(text)
    with pytest.raises(SettingsError, match=r"environments/lab\.yaml (is not YAML|holds (str|list))"):
        load_settings("lab", variables={})


@pytest.mark.parametrize("text", [f"postgresql://ada:{PASSWORD}@db: 5432", f"[{PASSWORD}]", f'"{PASSWORD}', f"{PASSWORD}\0"])
def test_an_address_that_cannot_be_read_is_never_shown(tmp_path, text):
    with pytest.raises(SettingsError, match=r"tracking_uri|HEADRACE_TRACKING_URI") as raised:
        load(tmp_path, HEADRACE_TRACKING_URI=text)
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))


def test_settings_shown_in_a_log_do_not_show_the_address(tmp_path):
    assert PASSWORD not in repr(load(tmp_path, HEADRACE_TRACKING_URI=f"postgresql://ada:{PASSWORD}@db/mlflow"))


def test_the_registry_is_sqlite_in_the_environments_folder_unless_an_address_is_set(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ADDRESS", "postgresql://db/mlflow")
    assert load(tmp_path).registry_uri == f"sqlite:///{tmp_path}/dev/registry/mlflow.db"
    assert load(tmp_path, HEADRACE_TRACKING_URI="env:MLFLOW_ADDRESS").registry_uri == "postgresql://db/mlflow"


def test_a_secret_is_read_from_a_variable_or_a_file_of_ones_own(tmp_path, monkeypatch):
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    path.chmod(0o600)
    monkeypatch.setenv("PASSWORD", PASSWORD)
    assert resolve_secret(f"file:{path}") == resolve_secret("env:PASSWORD") == resolve_secret(PASSWORD) == PASSWORD


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="others may read it; run chmod 600") as raised:
        resolve_secret(f"file:{path}")
    assert PASSWORD not in str(raised.value)


def test_a_secret_that_is_absent_or_empty_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "empty").touch(mode=0o600)
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("ABSENT", raising=False)
    for reference, says in (
        ("env:ABSENT", "is not set"),
        ("file:/nowhere", "no such file"),
        ("env:EMPTY", "is empty"),
        (f"file:{tmp_path}/empty", "is empty"),
    ):
        with pytest.raises(SettingsError, match=says):
            resolve_secret(reference)


def test_every_field_has_a_description():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
