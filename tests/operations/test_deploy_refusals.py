"""Every way in which a deployment or a release is refused, each in one sentence with the next move."""

import argparse
import json

import pytest

from headrace.errors import DeployError, ServerError
from headrace.settings import load_settings
from operations import checks, deploy, git, services, undeploy
from operations.cut import cut_release
from operations.releases import Release
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


@pytest.mark.parametrize("place", ["local.yaml", "the folder"])
def test_a_rule_that_was_loosened_beside_the_commit_is_refused(tmp_path, clone, keys, place):
    git.read(clone, "checkout", "--quiet", "-b", "an-idea")
    staging = environment(tmp_path, "staging")
    if place == "local.yaml":
        staging.environment_home.mkdir(parents=True)
        (staging.environment_home / "local.yaml").write_text("deploy_from: null\n")
        staging = environment(tmp_path, "staging")
    else:
        # As these settings would be, were the file in the folder edited and not committed.
        staging = staging.model_copy(update={"deploy_from": None})
    assert staging.deploy_from is None
    with pytest.raises(DeployError, match="deploy_from of staging is None here and main in commit .* is for the commit to say"):
        deploy.check_deployable(staging, clone, keys=keys)


def test_a_commit_that_asks_for_approvals_and_takes_any_commit_is_refused(tmp_path, clone, keys):
    declared = (clone / "environments" / "prod.yaml").read_text()
    commit_file(clone, "environments/prod.yaml", declared.replace("deploy_from: release/*", "deploy_from: null"))
    prod = environment(tmp_path, "prod").model_copy(update={"deploy_from": None})
    with pytest.raises(DeployError, match="asks for approvals and takes any commit; name a branch"):
        deploy.check_deployable(prod, clone, keys=keys)


def test_one_use_case_does_not_move_to_another_commit_alone(tmp_path):
    staging = environment(tmp_path, "staging")
    path = services.release_path(staging)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"commit": "0" * 40, "folder": "/", "python": "/bin/python", "use_cases": ["churn", "flight_delay"]}))
    with pytest.raises(DeployError, match="churn would stay on commit 000000000000; deploy all"):
        deploy._check_others(staging, "1" * 40, ["flight_delay"])
    deploy._check_others(staging, "0" * 40, ["flight_delay"])
    deploy._check_others(staging, "1" * 40, ["churn", "flight_delay"])


def test_a_model_server_serves_the_use_case_that_is_chosen(tmp_path):
    staging = environment(tmp_path, "staging")
    assert services.choose_served(staging, ["churn"]) == "churn"
    assert services.choose_served(staging.model_copy(update={"served_use_case": "churn"}), ["churn", "flight_delay"]) == "churn"
    with pytest.raises(ServerError, match="deployed are churn, flight_delay, and none is chosen: set served_use_case in .*local.yaml"):
        services.choose_served(staging, ["churn", "flight_delay"])
    with pytest.raises(ServerError, match="served_use_case is gone"):
        services.choose_served(staging.model_copy(update={"served_use_case": "gone"}), ["churn"])


def test_a_second_use_case_is_refused_before_anything_changes_while_nobody_chose_which_is_served(tmp_path):
    staging = environment(tmp_path, "staging")
    deployed = {"commit": "1" * 40, "folder": "/", "python": "/bin/python", "use_cases": ["flight_delay"]}
    services.write_release(staging, deployed)
    release = Release(commit="1" * 40, folder=tmp_path, python=tmp_path / "no-python")
    with pytest.raises(ServerError, match="deployed are churn, flight_delay, and none is chosen: set served_use_case"):
        deploy._roll_out(staging, argparse.Namespace(use_case="churn"), release)
    assert services.read_release(staging) == deployed


def test_a_use_case_that_is_undeployed_is_deployed_no_more_and_the_others_are(tmp_path):
    staging = environment(tmp_path, "staging").model_copy(update={"served_use_case": "flight_delay"})
    deployed = {"commit": "1" * 40, "folder": "/", "python": "/bin/python", "use_cases": ["churn", "flight_delay"]}
    services.write_release(staging, deployed)
    assert undeploy._forget(staging, ["churn"]) is None
    assert services.read_release(staging) == {**deployed, "use_cases": ["flight_delay"]}
    assert undeploy._forget(environment(tmp_path / "other", "staging"), ["churn"]) is None


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
