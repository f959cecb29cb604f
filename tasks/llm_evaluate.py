"""Evaluate retrieval on the questions whose answer is known."""

from datetime import datetime

from prefect import task

from headrace.lake.runs import Step
from headrace.llm import evaluation_records
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def append_retrieval_evaluation(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append how every way to retrieve fared, question by question and on the mean."""
    return evaluation_records.append_retrieval_evaluation(settings, case, as_of=as_of)
