"""The record of passed checks: a note on a commit, signed with a key that no clone holds. `make ci` leaves it, `make deploy` asks for it.

A record names its commit and tree, so it speaks for no other; a note is text that anybody can write, so it counts only with
the signature of this machine's key. The key lies in `$HEADRACE_KEYS`, else in `headrace/` of the person's configuration folder.
"""

import argparse
import json
import os
import platform
import stat
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from headrace.errors import DeployError, HeadraceError
from headrace.settings import ROOT
from operations import git

# Name of the notes, `refs/notes/<this>`.
NOTES = "headrace-checks"
PRIVATE, PUBLIC = "checks.key", "checks.pub"

# The verbs of `make ci`; a record that lacks one speaks for less than was asked.
VERBS = ("lint", "types", "imports", "docs-check", "test", "test-long")

_AGAIN = "run make ci on this commit"


@dataclass(frozen=True, kw_only=True)
class Tests:
    """Tests by their end, as pytest counted them; an error counts as failed."""

    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """What passed, for which commit, and when.

    Attributes:
        commit: Full hash of the commit.
        tree: Hash of its whole content.
        verbs: Verbs of the Makefile that passed.
        tests: How its tests ended.
        python: Version of the Python that ran them.
        finished_at: Instant (UTC, ISO 8601) at which the last verb ended.
    """

    commit: str
    tree: str
    verbs: tuple[str, ...]
    tests: Tests
    python: str
    finished_at: str


def keys_folder(variables: Mapping[str, str] | None = None) -> Path:
    """Where the key of this person and machine lies: outside every clone."""
    variables = os.environ if variables is None else variables
    if variables.get("HEADRACE_KEYS"):
        return Path(variables["HEADRACE_KEYS"])
    return Path(variables.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "headrace"


def read_tests(reports: Sequence[Path]) -> Tests:
    """Counts over the JUnit files that pytest wrote.

    Raises:
        DeployError: One of them does not exist.
    """
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for report in reports:
        if not report.is_file():
            raise DeployError(f"{report} does not exist, so nobody knows how the tests ended; {_AGAIN}")
        # No parser for hostile XML is needed: pytest wrote the file a moment ago, and whoever can change it can sign a record by hand too.
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - it comes from pytest, not from outside
            for name in totals:
                totals[name] += int(suite.get(name, 0))
    failed = totals["failures"] + totals["errors"]
    return Tests(passed=totals["tests"] - failed - totals["skipped"], failed=failed, skipped=totals["skipped"])


def build_record(folder: Path, tests: Tests, *, verbs: Sequence[str] = VERBS) -> Record:
    """The record of the commit that is checked out."""
    commit = git.read_commit(folder)
    return Record(
        commit=commit,
        tree=git.read_tree(folder, commit),
        verbs=tuple(verbs),
        tests=tests,
        python=platform.python_version(),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def record_checks(folder: Path, record: Record, *, keys: Path) -> None:
    """Sign a record and leave it as the note of its commit; a note that was there is replaced."""
    text = _write(record)
    note = {"record": json.loads(text), "signature": _load_private(keys).sign(text).hex()}
    # Whoever runs CI need not have told git who they are.
    person = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "headrace"), ("EMAIL", "checks@headrace.example"))
    }
    body = json.dumps(note, indent=1, sort_keys=True)
    git.read(folder, "notes", "--ref", NOTES, "add", "--force", "--file", "-", record.commit, text=body, variables=person)


def check_record(folder: Path, commit: str, *, keys: Path) -> Record:
    """The valid record of a commit.

    Raises:
        DeployError: There is none, it was changed or copied from another commit, another key signed it, or not all had passed.
    """
    short = commit[:12]
    note = _read_note(folder, commit)
    if note is None:
        raise DeployError(f"commit {short} has no record of passed checks; {_AGAIN}")
    try:
        record = _read(note["record"])
        signature = bytes.fromhex(note["signature"])
    except (KeyError, TypeError, ValueError) as error:
        raise DeployError(f"the record of passed checks of commit {short} cannot be read: {error!r}; {_AGAIN}") from error
    try:
        _load_public(keys).verify(signature, _write(record))
    except InvalidSignature as error:
        said = f"the record of passed checks of commit {short} was changed, or signed with another key than {keys / PUBLIC}"
        raise DeployError(f"{said}; {_AGAIN}") from error
    if record.commit != commit:
        raise DeployError(f"the record on commit {short} is one of commit {record.commit[:12]}; {_AGAIN}")
    tree = git.read_tree(folder, commit)
    if record.tree != tree:
        raise DeployError(f"the record on commit {short} is one of tree {record.tree[:12]}, the commit's is {tree[:12]}; {_AGAIN}")
    _check_results(record)
    return record


def _check_results(record: Record) -> None:
    missing = [verb for verb in VERBS if verb not in record.verbs]
    if missing:
        raise DeployError(f"the record of commit {record.commit[:12]} lacks {', '.join(missing)}; {_AGAIN}")
    if record.tests.failed or not record.tests.passed:
        counted = f"{record.tests.passed} passed and {record.tests.failed} failed"
        raise DeployError(f"the record of commit {record.commit[:12]} says that of its tests {counted}; mend them and {_AGAIN}")


def _read_note(folder: Path, commit: str) -> dict[str, Any] | None:
    # `notes list` answers with an error where there is none, and an error may mean anything; the list of all does not.
    listed = git.read(folder, "for-each-ref", "--format=%(refname)", f"refs/notes/{NOTES}") and git.read(folder, "notes", "--ref", NOTES, "list")
    if commit not in {line.split()[-1] for line in listed.splitlines() if line}:
        return None
    try:
        note = json.loads(git.read(folder, "notes", "--ref", NOTES, "show", commit))
    except json.JSONDecodeError as error:
        raise DeployError(f"the record of passed checks of commit {commit[:12]} is no JSON; {_AGAIN}") from error
    return note if isinstance(note, dict) else {}


def _write(record: Record) -> bytes:
    """The one way to write a record down, which is what is signed."""
    return json.dumps(asdict(record), sort_keys=True, separators=(",", ":")).encode()


def _read(values: Mapping[str, Any]) -> Record:
    texts = {name: str(values[name]) for name in ("commit", "tree", "python", "finished_at")}
    return Record(**texts, verbs=tuple(values["verbs"]), tests=Tests(**values["tests"]))


def _load_private(keys: Path) -> Ed25519PrivateKey:
    """The key of this person and machine; made at its first use, with its public half beside it."""
    path = keys / PRIVATE
    if not path.is_file():
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Ed25519PrivateKey.generate()
        private = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise DeployError(f"others may read {path}, and with it sign records of checks; delete it, or run chmod 600 {path}")
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise DeployError(f"{path} is no Ed25519 key; move it away, and the next make ci makes one")
    if not (keys / PUBLIC).is_file():
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (keys / PUBLIC).write_bytes(public)
    return key


def _load_public(keys: Path) -> Ed25519PublicKey:
    path = keys / PUBLIC
    if not path.is_file():
        raise DeployError(f"{path} does not exist, so no record of checks can be trusted here; run make ci, or bring the file from where it ran")
    key = serialization.load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise DeployError(f"{path} is no Ed25519 public key; bring the one that lies beside the key of make ci")
    return key


def main(arguments: Sequence[str] | None = None) -> int:
    """End `make ci`: leave a record where the clone is the commit that was checked; otherwise say why there is none."""
    parser = argparse.ArgumentParser(prog="python -m operations.checks", description=__doc__)
    parser.add_argument("--junit", type=Path, action="append", required=True, help="a JUnit file that pytest wrote; once for each")
    parser.add_argument("--begun-at", required=True, help="the commit at which the checks began")
    parser.add_argument("--tests", required=True, help="which tests were run; a part of them makes no record")
    options = parser.parse_args(arguments)
    try:
        reason = _find_obstacle(options)
        if reason:
            sys.stdout.write(f"no record of passed checks: {reason}\n")
            return 0
        record = build_record(ROOT, read_tests(options.junit))
        _check_results(record)
        record_checks(ROOT, record, keys=keys_folder())
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"recorded that commit {record.commit[:12]} passed its checks ({record.tests.passed} tests); it may be deployed\n")
    return 0


def _find_obstacle(options: argparse.Namespace) -> str | None:
    changes = git.read_changes(ROOT)
    if changes:
        return f"the clone is not the commit that would be recorded, {len(changes)} files differ or are new ({changes[0][3:]}); commit them"
    if git.read_commit(ROOT) != options.begun_at:
        return "another commit was checked out meanwhile"
    return None if options.tests == "tests" else f"only {options.tests} was tested"


if __name__ == "__main__":
    sys.exit(main())
