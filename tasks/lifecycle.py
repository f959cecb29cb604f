"""What `lifecycle` needs between its stages: which are due, which ticks are over, and the page at the end."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect import task

from headrace.console import story
from headrace.lake import runs
from headrace.registry import versions
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count
from tasks.environment import is_deployed
from tasks.options import STORE
from tasks.stage import StageResult

# A challenger that is turned away, or cannot be built, leaves the champion serving; the line goes on.
JUDGING = ("retrain", "promote")


def choose_stages(case: UseCase) -> list[str]:
    """The stages of a tick, in order: all of them for a verb; for a deployed run the data stages.

    Only a deployment's own run can wait for a person, so there `retrain` and `promote` are started by events and schedules.
    """
    return [stage for stage in case.stages if not (is_deployed() and stage in JUDGING)]


def is_due(settings: Settings, case: UseCase, stage: str, *, as_of: datetime) -> bool:
    """Whether a stage has something to do at a tick: its slice is not finished, or, for `promote`, a challenger waits."""
    if stage == "promote":
        return versions.read_alias(settings, case, alias=versions.CHALLENGER) is not None
    return not runs.begin(settings, case.name, stage, as_of=as_of).is_finished


@task(**STORE)
def record_tick(settings: Settings, case: UseCase, tick: datetime) -> None:
    """Note in `metrics.clock` that every stage of a tick is finished."""
    runs.record_tick(settings, case.name, tick)


@task(**STORE)
def write_story(settings: Settings, case: UseCase) -> Path:
    """Draw the page that tells the story."""
    return story.write_story(settings, case)


def end_lifecycle(case: UseCase, ticks: Sequence[datetime], *, page: Path) -> StageResult:
    """The result of a run: how many ticks it did, and where the page lies."""
    done = f"{format_count(len(ticks), 'tick')} run" if ticks else "every tick was finished before; nothing to do"
    return StageResult(flow="lifecycle", as_of=ticks[-1] if ticks else datetime.now(UTC), passed=True, reason=f"{done}; page {page}")
