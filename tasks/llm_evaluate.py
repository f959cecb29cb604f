"""Evaluate retrieval, and the words of champion and challenger, on the questions whose answer is known."""

from datetime import datetime

from prefect import task

from headrace.lake.runs import Step
from headrace.llm import evaluation_records, judging, wording_records
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import COMPUTE, STORE


@task(**STORE)
def name_slice(settings: Settings, case: UseCase, *, as_of: datetime, limit: int | None, prompt: str | None) -> str:
    """What an evaluation stands for."""
    return wording_records.name_slice(settings, case, as_of=as_of, limit=limit, prompt=prompt)


@task(**STORE)
def append_retrieval_evaluation(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append how every way to retrieve fared, question by question and on the mean."""
    return evaluation_records.append_retrieval_evaluation(settings, case, as_of=as_of)


@task(**COMPUTE)
def append_wordings(settings: Settings, case: UseCase, *, as_of: datetime, limit: int | None, prompt: str | None) -> Step:
    """Append answers in a model's words to questions that no chain was tuned on, each once."""
    return wording_records.append_wordings(settings, case, as_of=as_of, limit=limit, prompt=prompt)


@task(**COMPUTE)
def append_grades(settings: Settings, case: UseCase, *, as_of: datetime, with_judges: bool) -> Step:
    """Append the grades that rubrics give to those answers, each once; judges are asked where it was wished for."""
    return judging.append_grades(settings, case, as_of=as_of, with_judges=with_judges)
