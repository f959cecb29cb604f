"""Score the rows that are due with the champion in force."""

from datetime import datetime

from prefect import task

from headrace.lake.runs import Step
from headrace.registry import scoring
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def append_predictions(settings: Settings, case: UseCase, *, as_of: datetime, revision: int) -> Step:
    """Append predictions of the rows whose prediction time has come."""
    return scoring.append_predictions(settings, case, as_of=as_of, revision=revision)
