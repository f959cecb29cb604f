"""Where PostgreSQL's programs are, who runs them, and what is said when they are not there."""

import os
import pwd

import pytest

from headrace.errors import ServerError
from headrace.settings import load_settings
from operations import postgres
from tests.operations.environment import configure, new_home


def make_program(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder / name


def test_programs_on_the_path_come_first(tmp_path):
    wanted = make_program(tmp_path / "own", "initdb")
    make_program(tmp_path / "own", "pg_ctl")
    make_program(tmp_path / "versions" / "17" / "bin", "initdb")
    assert postgres.find_program("initdb", search_path=str(tmp_path / "own"), versioned=tmp_path / "versions") == wanted


def test_a_link_on_the_path_leads_to_the_programs_beside_its_target(tmp_path):
    wanted = make_program(tmp_path / "versions" / "15" / "bin", "postgres")
    control = make_program(tmp_path / "versions" / "15" / "bin", "pg_ctl")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "pg_ctl").symlink_to(control)
    assert postgres.find_program("postgres", search_path=str(tmp_path / "links"), versioned=tmp_path) == wanted


def test_else_the_distributions_newest_version_is_taken(tmp_path):
    for version in ("9.6", "15", "17"):
        make_program(tmp_path / version / "bin", "initdb")
    assert postgres.find_program("initdb", search_path=str(tmp_path), versioned=tmp_path).parts[-3] == "17"


def test_without_programs_a_sentence_says_how_to_get_them(tmp_path):
    with pytest.raises(ServerError, match="neither on PATH nor in .*; install it .*, or set database_uri"):
        postgres.find_program("initdb", search_path=str(tmp_path), versioned=tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_folder_that_postgres_cannot_enter_is_named(tmp_path):
    account = postgres.find_account()
    assert account is not None
    assert account.uid == pwd.getpwnam(account.name).pw_uid != 0
    closed = tmp_path / "closed"
    (closed / "staging" / "postgres").mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(ServerError, match="cannot enter .*; run chmod o[+]x .*, or set HEADRACE_HOME") as refusal:
        postgres.check_enterable(closed / "staging" / "postgres", account)
    # Pytest's own folder above it is closed too, and the topmost is named.
    assert str(refusal.value).split("cannot enter ")[1].split(";")[0] in map(str, (closed, *closed.parents))


def test_a_private_cluster_has_a_role_and_a_database_for_each_purpose(tmp_path):
    staging = load_settings("staging", home=tmp_path, variables={})
    uris = [postgres.database_uri(staging, purpose) for purpose in postgres.DATABASES]
    assert [uri.rsplit("/", 1)[1] for uri in uris] == ["staging_prefect", "staging_mlflow", "staging_mlflow_auth"]
    assert len({uri.split("@")[0] for uri in [*uris, postgres.admin_uri(staging)]}) == 4
    assert {uri.split("@")[1].split("/")[0] for uri in uris} == {"127.0.0.1:5442"}


def test_an_external_database_is_reached_as_its_address_says(tmp_path):
    variables = {"HEADRACE_DATABASE_URI": "postgresql://ada:p%40ss@db.example:6000/start"}
    staging = load_settings("staging", home=tmp_path, variables=variables)
    expected = "postgresql+asyncpg://ada:p%40ss@db.example:6000/staging_prefect"
    assert postgres.database_uri(staging, postgres.PREFECT, scheme="postgresql+asyncpg") == expected
    assert postgres.admin_uri(staging) == "postgresql://ada:p%40ss@db.example:6000/start"


def test_options_of_an_address_that_not_all_clients_understand_are_refused(tmp_path):
    variables = {"HEADRACE_DATABASE_URI": "postgresql://ada:pass-word@db.example/start?sslmode=verify-full"}
    staging = load_settings("staging", home=tmp_path, variables=variables)
    for ask in (postgres.admin_uri, lambda settings: postgres.database_uri(settings, postgres.MLFLOW)):
        with pytest.raises(ServerError, match="options behind a question mark") as refusal:
            ask(staging)
        assert "pass-word" not in str(refusal.value)


def test_a_cluster_whose_making_was_killed_is_made_anew():
    with new_home() as home:
        staging = configure(home, "staging")
        half = staging.environment_home / ".postgres.building"
        half.mkdir()
        (half / "PG_VERSION").write_text("15")
        assert postgres.ensure_cluster(staging)
        assert not half.exists()
        assert (postgres.cluster_folder(staging) / "global").is_dir()
        assert not postgres.ensure_cluster(staging)


def test_a_database_that_is_away_is_a_sentence_without_a_password(tmp_path):
    variables = {"HEADRACE_DATABASE_URI": "postgresql://ada:pass-word@127.0.0.1:1/start"}
    with pytest.raises(ServerError, match="the PostgreSQL of database_uri does not answer") as refusal:
        postgres.read_server_version(load_settings("staging", home=tmp_path, variables=variables))
    assert "pass-word" not in str(refusal.value)
