"""Return to the previous champion."""

from datetime import datetime

from prefect import task

from headrace.decisions import Decision
from headrace.registry import rollback
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def decide_rollback(settings: Settings, case: UseCase, *, as_of: datetime, by: str, reason: str) -> Decision:
    """Write the row that makes the previous champion champion again; blocked when there is none, or nobody says why."""
    return rollback.decide_rollback(settings, case, as_of=as_of, by=by, reason=reason)
