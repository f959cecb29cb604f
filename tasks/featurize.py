"""Build features into gold and publish the newest values online."""

from datetime import datetime

from prefect import task

from headrace.decisions import Decision
from headrace.features import refresh
from headrace.lake.runs import Step
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def decide_freshness(settings: Settings, case: UseCase, *, as_of: datetime) -> Decision:
    """Block when a table that features read is staler than its contract allows."""
    return refresh.decide_freshness(settings, case, as_of=as_of)


@task(**STORE)
def append_features(settings: Settings, case: UseCase, *, as_of: datetime, revision: int) -> Step:
    """Append the features of the rows whose prediction time has come, judged by the contract of the feature table."""
    return refresh.append_features(settings, case, as_of=as_of, revision=revision)


@task(**STORE)
def publish_online(settings: Settings, case: UseCase, *, as_of: datetime) -> None:
    """Bring the online store to the last instant of the refresh grid."""
    refresh.publish_online(settings, case, as_of=as_of)
