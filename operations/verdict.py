"""What the newest verification of the environment found, as a Markdown table; in a GitHub workflow also on the page of its run."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace import use_case as use_cases
from headrace import verification
from headrace.errors import BLOCKED_EXIT_CODE
from headrace.lake import tables
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.verification import Check

# GitHub shows what a step writes to this file on the page of its run, and the page is linked from the request.
SUMMARY = "GITHUB_STEP_SUMMARY"

# And hands what a step writes to this one on to the job that posts it; the text between the marks is the value.
OUTPUT, _END = "GITHUB_OUTPUT", "END-OF-VERDICT"


def configure(parser: argparse.ArgumentParser) -> None:
    """Which use case."""
    parser.add_argument("--use-case", required=True)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Say it; exit code 3 where the verdict is no, or there is none yet."""
    case = use_cases.load_in(settings, options.use_case)
    verified_at = find_newest(settings, case)
    if verified_at is None:
        sys.stdout.write(f"{settings.environment} was never verified on {case.name}; run make verify ENV={settings.environment}\n")
        return BLOCKED_EXIT_CODE
    checks = verification.read_checks(settings, case, verified_at=verified_at)
    text = render(settings, case, checks, verified_at=verified_at)
    sys.stdout.write(text)
    for variable, content in ((SUMMARY, text), (OUTPUT, f"verdict<<{_END}\n{text}{_END}\n")):
        if os.environ.get(variable):
            with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
                file.write(content)
    return 0 if verification.decide_verification(checks).passed else BLOCKED_EXIT_CODE


def find_newest(settings: Settings, case: UseCase) -> datetime | None:
    """Instant (UTC) of the newest recorded verification; None when there is none."""
    newest = tables.read(settings, verification.TABLE).filter(pl.col("use_case") == case.name).select(pl.col("verified_at").max()).collect().item()
    return None if newest is None else newest.astimezone(UTC)


def render(settings: Settings, case: UseCase, checks: list[Check], *, verified_at: datetime) -> str:
    """The verdict and one row per check, failed ones first."""
    verdict = verification.decide_verification(checks)
    head = f"## {settings.environment}, {case.name}: {'passed' if verdict.passed else 'BLOCKED'} at {verified_at:%Y-%m-%d %H:%M}Z\n\n"
    rows = [
        f"| {'passed' if check.decision.passed else '**BLOCKED**'} | {check.kind} | {check.decision.gate} | {_cell(check.decision.reason)} |"
        for check in sorted(checks, key=lambda check: check.decision.passed)
    ]
    return head + "\n".join(["| | kind | check | found |", "|---|---|---|---|", *rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
