"""Documents and questions: the Python documentation with its FAQ, or a folder of your own (`DOCS=`).

The reference documents are fetched through the model hub and are known since the release that they belong to. Where they cannot
be had, the hub says so and how to go on. Questions about documents of your own lie in the landing folder, `questions/*.csv`; without
any the documents are indexed, and no chain is built: nobody could say how well it answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace.errors import SourceError
from headrace.lake.batches import format_instant
from headrace.llm import hub
from headrace.llm.document_folder import DocumentFolder
from headrace.settings import Settings
from headrace.source import Delivery
from use_cases.docs_assistant.own_questions import QUESTIONS, deliver_own
from use_cases.docs_assistant.questions import read_questions

USE_CASE = "docs_assistant"
CORPUS = "python-docs"

# Python 3.11.2 was released on this day; its documentation did not exist before.
RELEASED_AT = datetime(2023, 2, 8, tzinfo=UTC)


def find_reference(settings: Settings) -> Path:
    """The folder of the reference documents, fetched where it is not here yet."""
    return hub.fetch(settings, CORPUS)


PYTHON_DOCS = DocumentFolder(use_case=USE_CASE, origin=CORPUS, find_folder=find_reference, licence="PSF-2.0", first_known_at=RELEASED_AT)


@dataclass(frozen=True, kw_only=True)
class DocumentsAndQuestions:
    """A folder of documents, and the questions that are asked about them.

    Attributes:
        documents: The folder.
        settings: The environment; set by `within`.
    """

    documents: DocumentFolder = PYTHON_DOCS
    settings: Settings | None = None

    def within(self, settings: Settings) -> "DocumentsAndQuestions":
        """The same in an environment."""
        return replace(self, documents=self.documents.within(settings), settings=settings)

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """What came for a feed in `after < arrived_at <= until` (UTC); of reference questions those that were asked.

        Raises:
            SourceError: The feed is unknown, or the documents or questions cannot be taken.
            ModelError: The reference documents cannot be fetched.
        """
        if feed != QUESTIONS:
            return self.documents.deliveries(feed, after=after, until=until)
        if self.settings is None:
            raise SourceError(f"the questions of {USE_CASE} are those of an environment: load the use case with load_in")
        if self.settings.documents_root is not None:
            return deliver_own(self.settings, USE_CASE, after=after, until=until)
        asked = read_questions(self.documents.find_folder(self.settings))
        rows = asked.filter(pl.col("known_at") <= until, *([pl.col("known_at") > after] if after else []))
        if rows.is_empty():
            return []
        return [Delivery(feed=feed, slice_name=format_instant(until), arrived_at=until, origin=CORPUS, read=lambda: rows)]
