"""What would change is said in words, and no secret among them."""

import pytest

from headrace.settings import load_settings
from operations import diff, git
from tests.operations.repositories import commit_file, make_clone


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path / "clone")


def test_commits_between_are_counted(clone):
    old = git.read_commit(clone)
    commit_file(clone, "code.py", "answer = 43\n")
    new = commit_file(clone, "code.py", "answer = 44\n")
    assert diff.describe_commits(clone, {"commit": old}, new) == [f"commit: {old[:12]} -> {new[:12]}, 2 commits"]
    assert diff.describe_commits(clone, {"commit": new}, new) == []
    assert diff.describe_commits(clone, None, new) == [f"commit: nothing is deployed -> {new[:12]}"]


def test_a_deployed_commit_that_this_clone_does_not_have_is_said_so(clone):
    assert diff.describe_commits(clone, {"commit": "0" * 40}, git.read_commit(clone))[0].endswith("an unknown number of commits")


def test_settings_that_differ_are_named_and_secrets_are_not_shown(tmp_path):
    texts = {
        "old": "threads: 1\nnotify_uri: https://ada:hidden@receiver.example\n",
        "new": "threads: 2\nnotify_uri: null\nseed: 1\n",
    }
    for release, text in texts.items():
        (tmp_path / release / "environments").mkdir(parents=True)
        (tmp_path / release / "environments" / "dev.yaml").write_text(text)
    settings = load_settings("dev", home=tmp_path, variables={})
    said = diff.describe_settings(settings, {"folder": str(tmp_path / "old")}, tmp_path / "new")
    assert said == ["setting notify_uri: a value that is not shown -> None", "setting seed: None -> 1", "setting threads: 1 -> 2"]
