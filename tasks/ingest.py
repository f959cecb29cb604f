"""Take what a source has delivered into bronze."""

from datetime import datetime

from prefect import task

from headrace.lake import ingestion
from headrace.lake.runs import Step
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(task_run_name="ingest {feed}", **STORE)
def append_feed(settings: Settings, case: UseCase, feed: str, *, as_of: datetime) -> Step:
    """Append what arrived for one feed to its bronze table; blocked when a delivery does not keep its contract's schema."""
    return ingestion.append_feed(settings, case, feed, as_of=as_of)
