"""Decide whether a new candidate is worth its cost."""

from datetime import datetime

from prefect import task

from headrace.monitoring import recording
from headrace.monitoring.retraining import RetrainDecision
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def decide_retraining(settings: Settings, case: UseCase, *, as_of: datetime) -> RetrainDecision:
    """The policy's answer from metrics known at `as_of`; also a row in `metrics.retrain_decisions`."""
    return recording.decide_retraining(settings, case, as_of=as_of)
