"""Every way in which a deployment or a release is refused, each in one sentence with the next move."""

import pytest

from headrace.errors import DeployError
from headrace.settings import load_settings
from operations import checks, deploy, git
from operations.cut import cut_release
from operations.rollout import check_servers
from tests.operations.repositories import commit_file, leave_record, make_clone


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path / "clone")


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "keys"


def environment(tmp_path, name):
    return load_settings(name, home=tmp_path / "home", variables={})


def test_dev_takes_any_commit_and_says_what_is_not_in_it(tmp_path, clone, keys):
    git.read(clone, "checkout", "--quiet", "-b", "an-idea")
    (clone / "new.py").write_text("edit = True\n")
    dev = environment(tmp_path, "dev")
    assert deploy.check_deployable(dev, clone, keys=keys) == git.read_commit(clone)
    assert deploy.describe_edits(clone) == ["not in it: 1 files that differ from the commit or are new; commit them to deploy them"]


@pytest.mark.parametrize(("name", "branch"), [("staging", "main"), ("prod", "release/2026.11")])
def test_a_checked_commit_of_the_right_branch_is_deployed(tmp_path, keys, name, branch):
    clone = make_clone(tmp_path / "clone", branch=branch)
    record = leave_record(clone, keys)
    assert deploy.check_deployable(environment(tmp_path, name), clone, keys=keys) == record.commit


@pytest.mark.parametrize(
    ("name", "branch", "sentence"),
    [
        ("staging", "release/2026.11", "staging is deployed from main, and branch release/2026.11 is checked out; git checkout main"),
        ("prod", "main", "prod is deployed from release/[*], and branch main is checked out; make release NAME="),
        ("prod", "my-release/2026.11", "prod is deployed from release/[*]"),
    ],
)
def test_another_branch_is_refused(tmp_path, keys, name, branch, sentence):
    clone = make_clone(tmp_path / "clone", branch=branch)
    leave_record(clone, keys)
    with pytest.raises(DeployError, match=sentence):
        deploy.check_deployable(environment(tmp_path, name), clone, keys=keys)


def test_no_branch_is_refused(tmp_path, clone, keys):
    leave_record(clone, keys)
    git.read(clone, "checkout", "--quiet", "--detach")
    with pytest.raises(DeployError, match="HEAD is detached"):
        deploy.check_deployable(environment(tmp_path, "staging"), clone, keys=keys)


@pytest.mark.parametrize(("file", "text"), [("code.py", "answer = 43\n"), ("new.py", "edit = True\n")])
def test_a_tree_that_is_not_clean_is_refused(tmp_path, clone, keys, file, text):
    leave_record(clone, keys)
    (clone / file).write_text(text)
    with pytest.raises(DeployError, match=f"1 files differ from the commit or are new, {file} for one; commit or remove them"):
        deploy.check_deployable(environment(tmp_path, "staging"), clone, keys=keys)


def test_a_commit_without_a_record_is_refused(tmp_path, clone, keys):
    leave_record(clone, keys)
    commit_file(clone, "code.py", "answer = 43\n")
    with pytest.raises(DeployError, match="has no record of passed checks; run make ci"):
        deploy.check_deployable(environment(tmp_path, "staging"), clone, keys=keys)


def test_an_environment_that_is_not_up_is_refused(tmp_path):
    with pytest.raises(DeployError, match="servers of staging are not up.*make up ENV=staging"):
        check_servers(environment(tmp_path, "staging"))


def test_a_folder_that_is_no_clone_is_refused(tmp_path, keys):
    with pytest.raises(DeployError, match="not a git repository"):
        deploy.check_deployable(environment(tmp_path, "dev"), tmp_path, keys=keys)


class TestRelease:
    def test_it_is_cut_from_main_and_checks_out_nothing(self, clone, keys):
        record = leave_record(clone, keys)
        assert cut_release(clone, "2026.11", keys=keys) == ("release/2026.11", record.commit)
        assert git.read_branch(clone) == "main"
        assert git.read_commit(clone, "release/2026.11") == record.commit
        assert checks.check_record(clone, record.commit, keys=keys) == record

    def test_an_existing_name_is_refused(self, clone, keys):
        leave_record(clone, keys)
        cut_release(clone, "2026.11", keys=keys)
        with pytest.raises(DeployError, match="branch release/2026.11 exists; take another name"):
            cut_release(clone, "2026.11", keys=keys)

    @pytest.mark.parametrize("name", ["", "a b", "-x", "x.lock", "../main", "a..b", "x/y"])
    def test_a_name_that_is_none_is_refused(self, clone, keys, name):
        with pytest.raises(DeployError, match="is no name of a release"):
            cut_release(clone, name, keys=keys)

    def test_unchecked_or_unclean_main_is_refused(self, clone, keys):
        with pytest.raises(DeployError, match="has no record of passed checks"):
            cut_release(clone, "2026.11", keys=keys)
        leave_record(clone, keys)
        (clone / "new.py").write_text("edit = True\n")
        with pytest.raises(DeployError, match="1 files differ"):
            cut_release(clone, "2026.11", keys=keys)
        assert not git.is_branch(clone, "release/2026.11")

    def test_a_clone_without_main_is_refused(self, tmp_path, keys):
        with pytest.raises(DeployError, match="has no branch main"):
            cut_release(make_clone(tmp_path / "other", branch="trunk"), "2026.11", keys=keys)
