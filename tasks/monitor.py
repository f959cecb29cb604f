"""Measure how predictions and inputs fared, and drain what the server logged."""

from datetime import datetime

from prefect import task

from headrace.lake.runs import Step
from headrace.monitoring import breaches, recording
from headrace.monitoring.breaches import Breach
from headrace.serving.drain import drain
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def drain_requests(settings: Settings, case: UseCase) -> int:
    """Bring what a dead server left in its local log into the lake."""
    return drain(settings, case)


@task(**STORE)
def append_performance(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append the live metrics of every window whose labels are all known by now."""
    return recording.append_performance(settings, case, as_of=as_of)


@task(**STORE)
def append_drift(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append the drift of every window that is complete by now."""
    return recording.append_drift(settings, case, as_of=as_of)


@task(**STORE)
def find_breaches(settings: Settings, case: UseCase, *, as_of: datetime) -> list[Breach]:
    """Windows measured since the last finished run that crossed a bar of the policy."""
    return breaches.find_breaches(settings, case, as_of=as_of)
