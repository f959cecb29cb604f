"""Look for credentials in everything that git tracks or would track: `make secrets`. A new finding ends with exit code 1.

`tools/secrets.json` holds what was looked at and found to be no credential: the type, the file and a hash, never the text. It is
written anew with `--accept`, and reviewed like code. Line numbers do not count: a known text that moved is still known.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

ROOT = Path(__file__).resolve().parents[1]
BASELINE = "tools/secrets.json"

Finding = tuple[str, str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan, compare with the baseline, and name each new finding by file, line and kind."""
    parser = argparse.ArgumentParser(prog="python -m tools.secret_scan", description="Look for credentials in what git tracks.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the clone that is scanned")
    parser.add_argument("--accept", action="store_true", help="write the baseline: what is found now was looked at and is no credential")
    options = parser.parse_args(arguments)
    names = list_files(options.root)
    found = scan(options.root, names)
    if options.accept:
        write_baseline(options.root / BASELINE, found)
        sys.stdout.write(f"wrote {BASELINE}: {len(found)} findings were looked at\n")
        return 0
    known = read_baseline(options.root / BASELINE)
    new = {finding: line for finding, line in found.items() if finding not in known}
    for (path, kind, _), line in sorted(new.items()):
        sys.stderr.write(f"{path}:{line}: {kind}\n")
    if new:
        sys.stderr.write(
            f"{len(new)} new findings. A real credential: revoke it, then take it out of the history, not only out of the file. None: "
            f"run python -m tools.secret_scan --accept and have {BASELINE} reviewed\n"
        )
        return 1
    sys.stdout.write(f"secrets: none in {len(names)} files\n")
    return 0


def list_files(root: Path) -> list[str]:
    """Every file that is or would be committed, but the baseline itself, as a path below the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git the person has
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and name != BASELINE and (root / name).is_file()]
    if not names:
        raise SystemExit(f"git tracks no file in {root}; a scan of nothing finds nothing")
    return sorted(names)


def scan(root: Path, names: Sequence[str]) -> dict[Finding, int]:
    """Findings of all detectors: file, kind and hash of the text, with the line it stands in."""
    secrets = SecretsCollection(root=str(root))
    # Every detector, as it comes; the settings of a baseline could switch one off.
    with default_settings() as settings:
        # A comment in the line itself would let a credential through; only the baseline may, which is reviewed.
        settings.disable_filters("detect_secrets.filters.allowlist.is_line_allowlisted")
        secrets.scan_files(*names)
    found = {(path, secret.type, secret.secret_hash): secret.line_number for path, secret in secrets}
    return found | {(name, "Not UTF-8 text", _hash(root / name)): 1 for name in names if not _is_text(root / name)}


def _is_text(path: Path) -> bool:
    """Whether detectors can read a file; pictures hold no credential that they could."""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return path.suffix == ".png"
    return True


def _hash(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


def read_baseline(path: Path) -> set[Finding]:
    """What is known to be no credential."""
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {(entry["file"], entry["type"], entry["hash"]) for entry in entries}


def write_baseline(path: Path, found: dict[Finding, int]) -> None:
    """One entry per finding, in an order that makes differences readable."""
    entries = [{"file": file, "type": kind, "hash": digest} for file, kind, digest in sorted(found)]
    path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
