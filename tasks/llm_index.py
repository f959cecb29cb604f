"""Build chunks with embeddings into gold and bring the index to them."""

from datetime import datetime

from prefect import task

from headrace.decisions import Decision
from headrace.lake.runs import Step
from headrace.llm import index_versions, indexing
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import STORE


@task(**STORE)
def decide_corpus(settings: Settings, case: UseCase, *, as_of: datetime) -> Decision:
    """Block when no section is known: an index of nothing would look well."""
    return indexing.decide_corpus(settings, case, as_of=as_of)


@task(**STORE)
def append_chunks(settings: Settings, case: UseCase, *, as_of: datetime, revision: int) -> Step:
    """Append the chunks of the sections that are new, judged by the contract of their table."""
    return indexing.append_chunks(settings, case, as_of=as_of, revision=revision)


@task(**STORE)
def publish_index(settings: Settings, case: UseCase, *, as_of: datetime, revision: int) -> None:
    """Record the version of the index that stands for this instant, and bring the index to it."""
    version = indexing.record_version(settings, case, as_of=as_of, revision=revision)
    index_versions.publish_index(settings, case, version)


@task(**STORE)
def restore_index(settings: Settings, case: UseCase) -> None:
    """Bring the index to its newest recorded version."""
    index_versions.publish_index(settings, case, index_versions.find_version(settings, case))
