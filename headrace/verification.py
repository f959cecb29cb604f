"""The place, the checks and the records of an environment's verification: all pipelines together, on a slice, leaving nothing.

A verification runs the stages themselves in a scratch home below the environment's own (`<environment>/run/verify/<instant>`):
a lake, a registry and an online store of its own, which are deleted when it passed and kept when it did not. What it found is
rows of `metrics.environment_checks`, in the environment's own lake.
"""

import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from headrace import use_case as use_cases
from headrace.decisions import Decision, blocked, decide_all, passed
from headrace.errors import HeadraceError
from headrace.lake import runs, tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.locking import hold, is_held
from headrace.registry import versions
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count

FLOW = "verify_environment"
TABLE = "metrics.environment_checks"

# The first tick makes the first champion; the second scores with it, meets its labels and challenges it.
TICK_COUNT = 2

# Scratch of failed verifications that is kept for a person to look at; a night of them each would fill the disk.
KEPT = 3

_LOCK, _VERDICT = "lock", "verdict.txt"

Kind = Literal["stage", "outcome", "probe"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        kind: `stage`: a run of a stage on the slice. `outcome`: what all of them together must have left. `probe`: a server of the environment.
        decision: What was found; its gate is the check's name.
        duration_s: Seconds it took.
    """

    kind: Kind
    decision: Decision
    duration_s: float


def build_settings(settings: Settings, folder: Path, *, has_ticks: bool) -> Settings:
    """Settings of a scratch environment: the same code and seed on a lake, a registry and servers of nobody else.

    It has another name, so that no event, model or message of it is taken for the environment's own.

    Args:
        settings: The environment that is verified.
        folder: Home of the scratch environment.
        has_ticks: Whether the slice is history that is replayed from the source; if not, it is what has arrived by now.
    """
    changes: dict[str, Any] = {
        "environment": f"{settings.environment}_verify",
        "home": folder,
        # What was fetched and checked once is not fetched again.
        "models_root": settings.models,
        "clock": "replay" if has_ticks else "wall",
        "approval": "automatic",
        "lake_uri": None,
        "readable": {name: settings.find_lake(name) for name in settings.readable},
        "tracking_uri": None,
        "database": "sqlite",
        "database_uri": None,
        # Ticks lie in the past of the source; what upstream ingested, it ingested in its own time.
        "reads_from": None if has_ticks else settings.reads_from,
        "subset": True,
        "notify_uri": None,
        # So few rows are fitted faster by one thread than shared out to several.
        "threads": 1,
    }
    return settings.model_copy(update=changes)


@contextmanager
def scratch(settings: Settings, use_case: str, *, verified_at: datetime) -> Generator[Settings]:
    """Open the scratch environment of one verification; what killed ones left behind is deleted first.

    Raises:
        UseCaseError: The use case declares no subset.
    """
    case = use_cases.load_in(settings.model_copy(update={"subset": True, "reads_from": None}), use_case)
    root = settings.environment_home / "run" / "verify"
    folder = root / f"{use_case}-{verified_at:%Y%m%dT%H%M%SZ}"
    _erase_stale(root)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with hold(folder / _LOCK):
        yield build_settings(settings, folder, has_ticks=bool(case.replay.ticks))


def list_ticks(case: UseCase, *, verified_at: datetime) -> tuple[datetime, ...]:
    """The instants (UTC) that a verification runs: the first declared ticks of the subset, or the present where it declares none."""
    return case.replay.ticks[:TICK_COUNT] or (verified_at,)


def decide_outcomes(settings: Settings, case: UseCase) -> list[Decision]:
    """What all stages together must have left in the scratch environment: stages that each had nothing to do would pass alone."""
    decisions = []
    champion = _read_champion(settings, case)
    decisions.append(champion)
    for gate, table in (("predictions", case.table("inference", "predictions")), ("performance", "metrics.model_performance")):
        count = tables.read(settings, table).select(pl.len()).collect().item()
        found = format_count(count, "row")
        decisions.append(passed(gate, f"{found} in {table}") if count else blocked(gate, f"no row in {table} after the last tick"))
    return decisions


def decide_verification(checks: Sequence[Check]) -> Decision:
    """Pass when every check passed and each kind that must be there was looked at."""
    missing = [kind for kind in ("stage", "outcome", "probe") if kind not in {check.kind for check in checks}]
    lacking = [blocked(kind, "none was checked") for kind in missing]
    return decide_all(FLOW, [*(check.decision for check in checks), *lacking])


def record_checks(settings: Settings, case: UseCase, checks: Sequence[Check], *, verified_at: datetime) -> None:
    """Append the checks of one verification to `metrics.environment_checks`."""
    rows: list[Mapping[str, object]] = [
        {
            "use_case": case.name,
            "verified_at": verified_at,
            "check_name": check.decision.gate,
            "kind": check.kind,
            "is_passed": check.decision.passed,
            "reason": check.decision.reason,
            "duration_s": check.duration_s,
        }
        for check in checks
    ]
    tables.append(settings, TABLE, runs.build_rows(TABLE, rows), batch_id=_batch_id(case, verified_at))


def read_checks(settings: Settings, case: UseCase, *, verified_at: datetime) -> list[Check]:
    """The recorded checks of one verification, in the order of their names; none when it was not finished."""
    is_mine = (pl.col("use_case") == case.name) & (pl.col("verified_at") == verified_at)
    rows = tables.read(settings, TABLE).filter(is_mine).sort("check_name").collect()
    return [
        Check(
            kind=row["kind"],
            decision=Decision(gate=row["check_name"], passed=row["is_passed"], reason=row["reason"]),
            duration_s=row["duration_s"],
        )
        for row in rows.iter_rows(named=True)
    ]


def finish_scratch(settings: Settings, verdict: Decision) -> Decision:
    """Delete the scratch environment when the verification passed; otherwise keep it, and say where it is.

    Args:
        settings: Of the scratch environment.
        verdict: Of the verification.
    """
    if verdict.passed:
        shutil.rmtree(settings.home, ignore_errors=True)
        return verdict
    (settings.home / _VERDICT).write_text(f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z {verdict.reason}\n", encoding="utf-8")
    return blocked(verdict.gate, f"{verdict.reason}. What it left: {settings.home}", verdict.evidence)


def _read_champion(settings: Settings, case: UseCase) -> Decision:
    try:
        champion = versions.read_alias(settings, case, alias=versions.CHAMPION)
    except HeadraceError as error:
        return blocked("champion", str(error))
    return blocked("champion", "no version became champion") if champion is None else passed("champion", f"version {champion.number}")


def _batch_id(case: UseCase, verified_at: datetime) -> str:
    return build_batch_id(FLOW, case.name, format_instant(verified_at))


def _erase_stale(root: Path) -> None:
    """Delete what killed verifications left, and all but the newest of what failed ones left. One that runs holds its lock."""
    failed = sorted((path.parent for path in root.glob(f"*/{_VERDICT}")), key=lambda folder: (folder / _VERDICT).stat().st_mtime)
    for folder in [path for path in root.glob("*/") if path not in failed[-KEPT:]]:
        if not is_held(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)
