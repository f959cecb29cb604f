"""Ask a public database whether a pinned package has a known vulnerability: `make audit`. Who cannot be asked about has not passed.

pip-audit is no part of the project: it gets a temporary environment of its own, and looks at the pins, not at what is installed.
"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOOL = "pip-audit==2.10.1"
PINS = "constraints.txt"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found out.

    Attributes:
        vulnerable: One line per package with a known vulnerability.
        unknown: Packages that nobody could tell about.
        audited: Packages that are known to be clean.
    """

    vulnerable: Sequence[str]
    unknown: Sequence[str]
    audited: Sequence[str]


def main() -> int:
    """Audit every pin; 0 only when each was looked up and none is known to be vulnerable."""
    with tempfile.TemporaryDirectory(prefix="headrace-audit-") as folder:
        code, report, said = run_tool(Path(folder))
    if report is None:
        sys.stderr.write(f"{said}\nnothing could be audited: pip-audit ended with {code}; see whether its database can be reached from here\n")
        return 1
    audit = read_report(report, pins=list_pins((ROOT / PINS).read_text(encoding="utf-8")))
    return conclude(audit)


def run_tool(folder: Path) -> tuple[int, dict[str, Any] | None, str]:
    """Install pip-audit into `folder` and run it; its exit code, its report if it made one, and what it said."""
    venv.create(folder / "tool", with_pip=True)
    python = folder / "tool" / "bin" / "python"
    installed = subprocess.run([python, "-m", "pip", "install", "--quiet", TOOL], capture_output=True, text=True, check=False)
    if installed.returncode:
        return installed.returncode, None, installed.stderr.strip()
    report = folder / "report.json"
    command = [python, "-m", "pip_audit", "--requirement", ROOT / PINS, "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--output", report, "--progress-spinner", "off"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (finished.stderr or finished.stdout).strip()
    return finished.returncode, json.loads(report.read_text(encoding="utf-8")) if report.is_file() else None, said


def read_report(report: dict[str, Any], *, pins: Sequence[str]) -> Audit:
    """Sort every pin into vulnerable, unknown or audited; one that the report does not have is unknown."""
    found = {entry["name"].lower().replace("_", "-"): entry for entry in report["dependencies"]}
    vulnerable, unknown, audited = [], [], []
    for name in pins:
        entry = found.get(name)
        if entry is None or "skip_reason" in entry:
            unknown.append(name)
        elif entry["vulns"]:
            ids = ", ".join(f"{known['id']} (fixed in {', '.join(known['fix_versions']) or 'no version yet'})" for known in entry["vulns"])
            vulnerable.append(f"{name} {entry['version']}: {ids}")
        else:
            audited.append(name)
    return Audit(vulnerable=vulnerable, unknown=unknown, audited=audited)


def list_pins(text: str) -> list[str]:
    """Names of the pinned packages, in lower case with dashes."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [line.partition("==")[0].partition("[")[0].strip().lower().replace("_", "-") for line in lines if line]


def conclude(audit: Audit) -> int:
    """Say what was found. Exit code 0 when every pin was audited and is clean."""
    for line in audit.vulnerable:
        sys.stderr.write(f"vulnerable: {line}\n")
    total = len(audit.audited) + len(audit.vulnerable) + len(audit.unknown)
    if audit.unknown:
        shown = ", ".join(audit.unknown[:5]) + (", ..." if len(audit.unknown) > 5 else "")
        sys.stderr.write(
            f"{len(audit.unknown)} of {total} pinned packages could not be audited ({shown}): the database did not know or did not answer. "
            "Run it where it can be reached\n"
        )
    if audit.vulnerable or audit.unknown or not total:
        return 1
    sys.stdout.write(f"audit: {total} pinned packages, no known vulnerability\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
