"""`make reset` deletes what is down and named, and nothing that it is not sure of."""

import os
import subprocess
import sys

import pytest

from headrace import servers
from headrace.settings import ROOT, load_settings
from operations import processes


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "staging"
    (folder / "lake").mkdir(parents=True)
    (folder / "lake" / "rows").write_text("1")
    return folder


def reset(home, *arguments, environment="staging", answer=""):
    variables = {"PATH": os.environ["PATH"], "HEADRACE_HOME": str(home), "HEADRACE_ENV": environment}
    command = [sys.executable, "-m", "operations", "reset", *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, input=answer, capture_output=True, text=True, check=False, timeout=60)


def write_record(home, text):
    record = servers.record_path(load_settings("staging", home=home, variables={}))
    record.parent.mkdir(parents=True)
    record.write_text(text)


def check_refused(done, state, because, code):
    assert because in done.stderr
    assert done.returncode == code
    assert (state / "lake" / "rows").is_file()


def test_what_is_down_is_deleted_once(state):
    write_record(state.parent, f'{{"pid": {2**30}}}')
    done = reset(state.parent, "--yes")
    assert done.returncode == 0, done.stderr
    assert not state.exists()
    assert "does not exist; nothing to delete" in reset(state.parent, "--yes").stdout
    assert not state.exists()


def test_the_answer_is_the_name(state):
    check_refused(reset(state.parent, answer="yes\n"), state, "nothing was deleted", 10)
    check_refused(reset(state.parent), state, "nothing was deleted", 10)
    assert reset(state.parent, answer="staging\n").returncode == 0
    assert not state.exists()


def test_an_environment_that_is_up_is_not_deleted(state):
    write_record(state.parent, f'{{"pid": {os.getpid()}}}')
    check_refused(reset(state.parent, "--yes"), state, "staging is up; run make down ENV=staging first. Nothing was deleted", 21)


def test_a_record_that_cannot_be_read_is_not_taken_for_down(state):
    write_record(state.parent, "{")
    check_refused(reset(state.parent, "--yes"), state, "run make down ENV=staging", 21)


def test_a_server_that_outlived_its_keeper_counts(state):
    with subprocess.Popen(["/bin/sleep", "60"], env={processes.MARK: str(state)}) as left:
        try:
            check_refused(reset(state.parent, "--yes"), state, "staging is up", 21)
        finally:
            left.kill()


def test_prod_is_never_deleted(state):
    prod = state.rename(state.parent / "prod")
    check_refused(reset(prod.parent, "--yes", environment="prod"), prod, "never deletes prod", 10)


def test_state_that_lies_elsewhere_is_not_left_behind(state):
    (state / "local.yaml").write_text("database_uri: env:DATABASE\n")
    check_refused(reset(state.parent, "--yes"), state, "keeps state outside its folder (database_uri)", 10)


def test_the_verb_wants_the_environment_named(state):
    variables = {"PATH": os.environ["PATH"], "HEADRACE_HOME": str(state.parent), "HEADRACE_ENV": "staging"}
    done = subprocess.run(["make", "reset", "YES=1"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "wants the environment named" in done.stderr
    assert state.exists()
