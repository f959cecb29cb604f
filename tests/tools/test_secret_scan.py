"""A credential that somebody is about to commit is found; what was looked at and is none is not found again."""

import json
import subprocess

import pytest

from tools import secret_scan

# Put together here, so that this file does not hold what it looks for.
PLANTED = {
    "cloud.ini": "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLEKEY\n",
    "id_rsa": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIBOgIBAAJBAK\n",
    "settings.yaml": "database_uri: postgresql://headrace:" + "hunter2hunter2@db.internal:5432/x\n",
}


@pytest.fixture
def clone(tmp_path):
    """A temporary clone with a file of no interest, and a baseline of nothing."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "secrets.json").write_text("[]\n")
    (tmp_path / "notes.md").write_text("Nothing here.\n")
    return tmp_path


def scan(root, *options):
    return secret_scan.main(["--root", str(root), *options])


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_credential_is_found_and_not_repeated(clone, name, capsys):
    assert scan(clone) == 0
    (clone / name).write_text(PLANTED[name])
    assert scan(clone) == 1
    said = capsys.readouterr().err
    assert f"{name}:1: " in said
    assert "revoke it" in said
    assert not any(word in said for word in ("wJalrXUtn", "MIIBOgIBAAJBAK", "hunter2"))


def test_neither_a_comment_nor_another_encoding_hides_one(clone, capsys):
    (clone / "cloud.ini").write_text(PLANTED["cloud.ini"].rstrip() + "  # pragma: allow" + "list secret\n")
    assert scan(clone) == 1
    (clone / "cloud.ini").write_text(PLANTED["cloud.ini"], encoding="utf-16")
    assert scan(clone) == 1
    assert "Not UTF-8 text" in capsys.readouterr().err


def test_what_was_looked_at_is_known_wherever_it_stands_but_nothing_else_is(clone):
    (clone / "cloud.ini").write_text(PLANTED["cloud.ini"])
    assert scan(clone, "--accept") == 0
    assert PLANTED["cloud.ini"].split()[-1] not in (clone / "tools" / "secrets.json").read_text()
    (clone / "cloud.ini").write_text("# moved down\n\n" + PLANTED["cloud.ini"])
    assert scan(clone) == 0
    (clone / "cloud.ini").write_text(PLANTED["cloud.ini"].replace("EXAMPLEKEY", "OTHEREDKEY"))
    assert scan(clone) == 1


def test_what_git_ignores_is_not_looked_at(clone):
    (clone / ".gitignore").write_text("*.ini\n")
    (clone / "cloud.ini").write_text(PLANTED["cloud.ini"])
    assert scan(clone) == 0


def test_a_folder_without_files_is_no_pass(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with pytest.raises(SystemExit, match="git tracks no file"):
        scan(tmp_path)


def test_the_baseline_holds_hashes_only():
    entries = json.loads((secret_scan.ROOT / secret_scan.BASELINE).read_text())
    assert all(set(entry) == {"file", "type", "hash"} and len(entry["hash"]) == 40 for entry in entries)
