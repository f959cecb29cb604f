"""Only a record of this commit, this tree, this key and of checks that passed counts."""

import json
import stat
import subprocess
import sys
from dataclasses import replace

import pytest

from headrace.errors import DeployError
from headrace.settings import ROOT
from operations import checks, git
from tests.operations.repositories import commit_file, leave_record, make_clone


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path / "clone")


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "keys"


def read_note(clone):
    return json.loads(git.read(clone, "notes", "--ref", checks.NOTES, "show", "HEAD"))


def write_note(clone, note, commit="HEAD"):
    text = note if isinstance(note, str) else json.dumps(note)
    person = {
        "GIT_AUTHOR_NAME": "eve",
        "GIT_AUTHOR_EMAIL": "eve@headrace.example",
        "GIT_COMMITTER_NAME": "eve",
        "GIT_COMMITTER_EMAIL": "eve@headrace.example",
    }
    git.read(clone, "notes", "--ref", checks.NOTES, "add", "--force", "--file", "-", commit, text=text, variables=person)


def test_a_record_is_read_back_as_it_was_left(clone, keys):
    record = leave_record(clone, keys)
    assert checks.check_record(clone, record.commit, keys=keys) == record
    assert record.tree == git.read_tree(clone, "HEAD")


def test_the_key_is_ours_alone_and_its_public_half_lies_beside_it(clone, keys):
    leave_record(clone, keys)
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys / checks.PRIVATE).stat().st_mode) == 0o600
    assert (keys / checks.PUBLIC).read_text().startswith("-----BEGIN PUBLIC KEY-----")


def test_a_key_that_others_may_read_signs_nothing(clone, keys):
    leave_record(clone, keys)
    (keys / checks.PRIVATE).chmod(0o644)
    with pytest.raises(DeployError, match="others may read .*chmod 600"):
        leave_record(clone, keys)


def test_a_second_record_uses_the_same_key(clone, keys):
    leave_record(clone, keys)
    key = (keys / checks.PRIVATE).read_bytes()
    leave_record(clone, keys)
    assert (keys / checks.PRIVATE).read_bytes() == key


def test_the_key_lies_outside_every_clone(tmp_path):
    assert checks.keys_folder({"HEADRACE_KEYS": str(tmp_path)}) == tmp_path
    assert checks.keys_folder({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "headrace"
    assert not checks.keys_folder({}).is_relative_to(ROOT)


class TestNoRecordCounts:
    def test_that_is_not_there(self, clone, keys):
        leave_record(clone, keys)
        newer = commit_file(clone, "code.py", "answer = 43\n")
        with pytest.raises(DeployError, match="has no record of passed checks; run make ci"):
            checks.check_record(clone, newer, keys=keys)

    def test_in_a_clone_without_any(self, clone, keys):
        with pytest.raises(DeployError, match="has no record of passed checks"):
            checks.check_record(clone, git.read_commit(clone), keys=keys)

    @pytest.mark.parametrize("change", [{"python": "9.9"}, {"finished_at": "2000-01-01"}, {"tests": {"passed": 99, "failed": 0, "skipped": 0}}])
    def test_that_was_changed(self, clone, keys, change):
        record = leave_record(clone, keys)
        note = read_note(clone)
        write_note(clone, {**note, "record": {**note["record"], **change}})
        with pytest.raises(DeployError, match="was changed, or signed with another key"):
            checks.check_record(clone, record.commit, keys=keys)

    def test_that_another_key_signed(self, clone, keys, tmp_path):
        record = leave_record(clone, keys)
        leave_record(clone, tmp_path / "other")
        with pytest.raises(DeployError, match="signed with another key"):
            checks.check_record(clone, record.commit, keys=keys)

    def test_that_was_copied_from_another_commit(self, clone, keys):
        leave_record(clone, keys)
        note = read_note(clone)
        newer = commit_file(clone, "code.py", "answer = 43\n")
        write_note(clone, note, newer)
        with pytest.raises(DeployError, match="is one of commit"):
            checks.check_record(clone, newer, keys=keys)

    def test_that_is_one_of_another_tree(self, clone, keys):
        record = replace(checks.build_record(clone, checks.Tests(passed=1, failed=0, skipped=0)), tree="0" * 40)
        checks.record_checks(clone, record, keys=keys)
        with pytest.raises(DeployError, match="is one of tree 000000000000"):
            checks.check_record(clone, record.commit, keys=keys)

    @pytest.mark.parametrize("tests", [checks.Tests(passed=11, failed=1, skipped=0), checks.Tests(passed=0, failed=0, skipped=9)])
    def test_of_tests_that_failed_or_were_not_run(self, clone, keys, tests):
        record = leave_record(clone, keys, tests=tests)
        with pytest.raises(DeployError, match="mend them and run make ci"):
            checks.check_record(clone, record.commit, keys=keys)

    def test_that_lacks_a_verb(self, clone, keys):
        record = checks.build_record(clone, checks.Tests(passed=1, failed=0, skipped=0), verbs=("lint", "test"))
        checks.record_checks(clone, record, keys=keys)
        with pytest.raises(DeployError, match="lacks types, imports, docs-check"):
            checks.check_record(clone, record.commit, keys=keys)

    @pytest.mark.parametrize("note", ["not JSON", {"record": {}}, {"record": {"commit": "x"}, "signature": "no hex"}, []])
    def test_that_cannot_be_read(self, clone, keys, note):
        record = leave_record(clone, keys)
        write_note(clone, note)
        with pytest.raises(DeployError, match="cannot be read|is no JSON"):
            checks.check_record(clone, record.commit, keys=keys)

    def test_where_nobody_knows_the_key(self, clone, keys, tmp_path):
        record = leave_record(clone, keys)
        with pytest.raises(DeployError, match="no record of checks can be trusted here"):
            checks.check_record(clone, record.commit, keys=tmp_path / "empty")


def test_counts_come_from_what_pytest_wrote(tmp_path):
    tests = tmp_path / "test_four.py"
    tests.write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\n@pytest.mark.skip\ndef test_c(): pass\n@pytest.fixture\ndef broken(): 1 / 0\n"
        "def test_d(broken): pass\n"
    )
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--junitxml", "out.xml", "-p", "no:cacheprovider", "-p", "no:xdist", str(tests)],
        cwd=tmp_path,
        check=False,
    )
    assert checks.read_tests([tmp_path / "out.xml"]) == checks.Tests(passed=1, failed=2, skipped=1)
    assert checks.read_tests([tmp_path / "out.xml"] * 2) == checks.Tests(passed=2, failed=4, skipped=2)
    with pytest.raises(DeployError, match="missing.xml does not exist, so nobody knows how the tests ended"):
        checks.read_tests([tmp_path / "out.xml", tmp_path / "missing.xml"])


class TestTheEndOfCi:
    @pytest.fixture
    def end(self, clone, keys, tmp_path, monkeypatch):
        monkeypatch.setattr(checks, "ROOT", clone)
        monkeypatch.setenv("HEADRACE_KEYS", str(keys))
        begun_at = git.read_commit(clone)

        def end(*, failures=0, tests="tests"):
            report = tmp_path / "junit.xml"
            report.write_text(f'<testsuites><testsuite tests="3" failures="{failures}" errors="0" skipped="1"/></testsuites>')
            return checks.main(["--junit", str(report), "--begun-at", begun_at, "--tests", tests])

        return end

    def test_leaves_a_record_that_a_deployment_takes(self, clone, keys, end, capsys):
        assert end() == 0
        assert "it may be deployed" in capsys.readouterr().out
        assert checks.check_record(clone, git.read_commit(clone), keys=keys).tests == checks.Tests(passed=2, failed=0, skipped=1)

    @pytest.mark.parametrize("obstacle", ["an edit", "a new file", "another commit", "a part of the tests"])
    def test_leaves_none_and_says_why_without_failing(self, clone, end, capsys, obstacle):
        if obstacle == "another commit":
            commit_file(clone, "code.py", "answer = 43\n")
        elif obstacle != "a part of the tests":
            (clone / ("code.py" if obstacle == "an edit" else "new.py")).write_text("answer = 44\n")
        assert end(tests="tests/lake" if obstacle == "a part of the tests" else "tests") == 0
        said = capsys.readouterr().out
        assert said.startswith("no record of passed checks: ")
        assert any(words in said for words in ("1 files differ or are new", "another commit was checked out", "only tests/lake was tested"))
        assert git.read(clone, "for-each-ref", "refs/notes") == ""

    def test_fails_when_a_test_did(self, clone, end, capsys):
        assert end(failures=1) == DeployError.exit_code
        assert "1 failed" in capsys.readouterr().err
        assert git.read(clone, "for-each-ref", "refs/notes") == ""
