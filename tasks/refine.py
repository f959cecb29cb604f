"""Clean bronze batches into silver, with their verdicts and their quarantine."""

from datetime import datetime

from prefect import task

from headrace.lake import refinement
from headrace.lake.runs import Step
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(task_run_name="refine {feed}", **STORE)
def refine_feed(settings: Settings, case: UseCase, feed: str, *, as_of: datetime) -> Step:
    """Refine the bronze batches of one feed that were not refined yet; blocked when a batch fails its contract."""
    return refinement.refine_feed(settings, case, feed, as_of=as_of)
