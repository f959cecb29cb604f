"""The environment's clock: which instant a run without `as_of` stands for, and which ticks of a replay are still to come."""

from datetime import UTC, datetime

from prefect.runtime import flow_run

from headrace.errors import UseCaseError
from headrace.lake import runs
from headrace.settings import Settings
from headrace.use_case import UseCase, is_replayed
from tasks.environment import is_deployed

# Stages whose slices follow one another.
MOVING = ("ingest", "refine", "featurize", "llm_index", "score", "monitor", "retrain")


def read_as_of(settings: Settings, case: UseCase, flow: str, as_of: datetime | None) -> datetime:
    """The instant (UTC) that a run stands for.

    Given, it is taken as it is (without an offset: as UTC). Left out, the clock answers once. `wall` says the run's scheduled
    start, which a rerun keeps. `replay` sends a stage that moves data on to the first declared tick it has not finished, and
    everything else (train, promote, rollback) to the present of the replay: the newest tick whose data are in.
    """
    if as_of is not None:
        return _check_not_future(settings, case, as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC))
    if not is_replayed(settings, case):
        return datetime.fromisoformat(str(flow_run.scheduled_start_time)).astimezone(UTC).replace(microsecond=0)
    if flow not in MOVING:
        return max(runs.read_finished(settings, case.name, "ingest")["as_of"].to_list(), default=case.replay.ticks[0])
    finished = set(runs.read_finished(settings, case.name, flow)["as_of"])
    return next((tick for tick in case.replay.ticks if tick not in finished), case.replay.ticks[-1])


def read_open_ticks(settings: Settings, case: UseCase, *, until: datetime | None) -> list[datetime]:
    """Instants that `lifecycle` has to run, oldest first (UTC).

    On a wall clock it is this run's own instant. A replay has its open ticks: all of them for a verb, the next one for a deployed
    run, whose `retrain` and `promote` are deployments of their own and have to come before the tick after it.

    Raises:
        UseCaseError: The clock on the wall is past the whole replay: nothing would be taken at its ticks, and all would look done.
    """
    if not is_replayed(settings, case):
        return [read_as_of(settings, case, "lifecycle", until)]
    finished = set(runs.read_ticks(settings, case.name))
    limit = until if until is None or until.tzinfo else until.replace(tzinfo=UTC)
    open_ticks = [tick for tick in case.replay.ticks if tick not in finished and (limit is None or tick <= limit)]
    if open_ticks and (newest := max(finished, default=open_ticks[0])) > case.replay.ticks[-1]:
        raise UseCaseError(
            f"{case.name} is at {newest:%Y-%m-%d %H:%M}Z in {settings.environment}, and its replay would go back to {open_ticks[0]:%Y-%m-%d %H:%M}Z; "
            "go on as before (DOCS= of your own documents, HEADRACE_CLOCK=wall), or start over with make reset"
        )
    return open_ticks[:1] if is_deployed() else open_ticks


def _check_not_future(settings: Settings, case: UseCase, as_of: datetime) -> datetime:
    """A slice that ends in the future would be finished before its rows exist, and every slice before it with it."""
    is_past = is_replayed(settings, case)
    end = case.replay.ticks[-1] if is_past else datetime.now(UTC)
    if as_of > end:
        known = f"{end:%Y-%m-%d %H:%M}Z, the end of what the {'replay' if is_past else 'wall'} clock knows"
        raise UseCaseError(f"AS_OF {as_of:%Y-%m-%d %H:%M}Z lies after {known}; name an earlier instant")
    return as_of
