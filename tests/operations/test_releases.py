"""A release is one commit and its packages, built once and left whole."""

import sys
import threading

import pytest

from headrace.errors import DeployError
from headrace.settings import ROOT
from operations import checks, git, releases
from tests.operations.repositories import commit_file, leave_record, make_clone


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path / "clone")


def test_a_release_is_exactly_its_commit_and_later_edits_do_not_reach_it(tmp_path, clone):
    record = leave_record(clone, tmp_path / "keys")
    (clone / "code.py").write_text("not = committed\n")
    folder = releases.build_clone(tmp_path / "home", clone, record.commit)
    commit_file(clone, "code.py", "answer = 43\n")
    assert folder == tmp_path / "home" / "releases" / record.commit
    assert (folder / "code.py").read_text() == "answer = 42\n"
    assert git.read_changes(folder) == []
    assert checks.check_record(folder, record.commit, keys=tmp_path / "keys") == record


def test_it_stays_when_the_clone_is_gone(tmp_path, clone):
    commit = git.read_commit(clone)
    folder = releases.build_clone(tmp_path / "home", clone, commit)
    clone.rename(tmp_path / "elsewhere")
    assert releases.build_clone(tmp_path / "home", clone, commit) == folder
    git.read(tmp_path, "clone", "--quiet", f"file://{folder}", str(tmp_path / "pulled"))
    assert git.read_commit(tmp_path / "pulled") == commit


def test_a_shallow_clone_makes_no_release(tmp_path, clone):
    commit_file(clone, "code.py", "answer = 43\n")
    git.read(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{clone}", str(tmp_path / "shallow"))
    commit = git.read_commit(clone)
    with pytest.raises(DeployError, match="is a shallow clone.*git fetch --unshallow"):
        releases.build_clone(tmp_path / "home", tmp_path / "shallow", commit)
    assert not (tmp_path / "home" / "releases" / commit).exists()


@pytest.mark.parametrize("edit", ["file", "commit"])
def test_a_release_that_somebody_edited_is_refused(tmp_path, clone, edit):
    commit = git.read_commit(clone)
    folder = releases.build_clone(tmp_path / "home", clone, commit)
    if edit == "file":
        (folder / "code.py").write_text("answer = 44\n")
    else:
        commit_file(folder, "code.py", "answer = 44\n")
    with pytest.raises(DeployError, match="was edited and is not commit .* delete that folder"):
        releases.build_clone(tmp_path / "home", clone, commit)


def test_what_a_killed_build_left_is_thrown_away(tmp_path, clone):
    commit = git.read_commit(clone)
    left = tmp_path / "home" / "releases" / f".{commit}.building"
    left.mkdir(parents=True)
    (left / "half").write_text("half a file")
    folder = releases.build_clone(tmp_path / "home", clone, commit)
    assert not left.exists()
    assert not (folder / "half").exists()


def test_two_builds_at_once_make_one_release(tmp_path, clone):
    commit, made = git.read_commit(clone), []
    builders = [threading.Thread(target=lambda: made.append(releases.build_clone(tmp_path / "home", clone, commit))) for _ in range(3)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert made == [tmp_path / "home" / "releases" / commit] * 3


def test_packages_that_are_there_are_used(tmp_path):
    place = releases.packages_folder(tmp_path, ROOT)
    place.parent.mkdir(parents=True)
    place.symlink_to(sys.prefix)
    said = []
    assert releases.build_packages(tmp_path, ROOT, say=said.append) == place / "bin" / "python"
    assert said == []


def test_a_package_that_does_not_exist_is_one_sentence_and_leaves_nothing(tmp_path, clone):
    (clone / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = []\n[project.optional-dependencies]\ndev = []\n')
    (clone / "constraints.txt").write_text(f"nothing @ {(tmp_path / 'nothing.whl').as_uri()}\n")
    with pytest.raises(DeployError, match="packages of the release could not be installed.*the same verb tries again"):
        releases.build_packages(tmp_path / "home", clone, say=lambda _: None)
    assert not releases.packages_folder(tmp_path / "home", clone).exists()


def test_a_use_case_that_needs_further_packages_is_deployed_by_its_name_only(tmp_path):
    for name in ("flights", "assistant"):
        folder = tmp_path / "use_cases" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (tmp_path / "use_cases" / "assistant" / "needs").write_text("llm")
    assert releases.list_use_cases(tmp_path) == ["flights"]
    assert releases.list_use_cases(tmp_path, deployed=["assistant", "flights", "gone"]) == ["assistant", "flights"]
    left_out = "left out, for it needs more packages: assistant; it is deployed by its name, USE_CASE=assistant"
    assert releases.describe_left_out(tmp_path, ["flights"]) == [left_out]
    assert releases.describe_left_out(tmp_path, ["assistant", "flights"]) == []
