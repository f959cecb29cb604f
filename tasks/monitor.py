"""Measure how predictions and inputs fared, and drain what the server logged."""

from datetime import UTC, datetime

from prefect import task

from headrace.lake.runs import Step
from headrace.monitoring import alerts, live, recording
from headrace.monitoring.alerts import Alert
from headrace.serving.drain import drain
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def drain_requests(settings: Settings, case: UseCase) -> int:
    """Bring what a dead server left in its local log into the lake."""
    return drain(settings, case)


@task(**STORE)
def publish_traces(settings: Settings, case: UseCase) -> int:
    """Show in MLflow what led to each served answer, where the kind of task has traces."""
    return live.publish_traces(settings, case, now=datetime.now(UTC))


@task(**STORE)
def append_performance(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append the live metrics of every window whose labels are all known by now."""
    return recording.append_performance(settings, case, as_of=as_of)


@task(**STORE)
def append_drift(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append the drift of every window that is complete by now."""
    return recording.append_drift(settings, case, as_of=as_of)


@task(**STORE)
def append_live_figures(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append how what was served did, for every window that has settled by now."""
    return live.append_live_figures(settings, case, as_of=as_of)


@task(**STORE)
def append_alerts(settings: Settings, case: UseCase, *, as_of: datetime) -> list[Alert]:
    """Append what crossed a bar of the policy in the windows measured since the last finished run."""
    return alerts.append_alerts(settings, case, as_of=as_of)
