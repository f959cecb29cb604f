"""A document that is deleted leaves what a server tells at once, whatever index its chain pins.

A chain answers from the index version that it was built on, and a chain on the new one has to pass its gates first, which may wait
for a person. Until then its sections of deleted documents are not found. Flows judge a chain as it is.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import polars as pl

from headrace.errors import HeadraceError
from headrace.lake import tables
from headrace.llm.chain import Chain, Retrieves, Section
from headrace.llm.corpus import VERSIONS, keep_newest
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

# A look at the version of the table takes a few milliseconds; it is read where that is another.
LOOK_EVERY_SECONDS = 5.0


class DeletedDocuments:
    """The documents of a use case that are deleted by now; asked again and again, it looks every few seconds.

    Where the table cannot be read later on, what was known last counts: a server goes on without its lake.
    """

    def __init__(self, settings: Settings, case: UseCase, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Look for the first time.

        Args:
            settings: The environment.
            case: The use case.
            clock: Seconds that only go forward.

        Raises:
            HeadraceError: The table cannot be read.
        """
        self._settings, self._table, self._clock = settings, case.silver_table(VERSIONS), clock
        self._version: int | None = None
        self._known: frozenset[str] = frozenset()
        self._looked_at = clock()
        self._look()

    def __call__(self) -> frozenset[str]:
        """Their ids."""
        if self._clock() - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at = self._clock()
            try:
                self._look()
            except (HeadraceError, OSError) as error:
                logger.warning("which documents are deleted is not known anew: %s", error)
        return self._known

    def _look(self) -> None:
        version = tables.read_version(self._settings, self._table)
        if version == self._version:
            return
        newest = keep_newest(tables.read(self._settings, self._table, version=version))
        self._known = frozenset(newest.filter(pl.col("is_deleted")).select("document_id").collect()["document_id"])
        self._version = version
        logger.info("deleted documents count=%d version=%s", len(self._known), version)


@dataclass(frozen=True, kw_only=True)
class LeavesOutDeleted:
    """Retrieval that finds no section of a deleted document.

    Attributes:
        retriever: Finds sections.
        read_deleted: Ids of the documents that are deleted by now.
    """

    retriever: Retrieves
    read_deleted: Callable[[], frozenset[str]]

    def embed(self, question: str) -> np.ndarray:
        """As the retriever does."""
        return self.retriever.embed(question)

    def rank(self, question: str, *, k: int, embedding: np.ndarray | None = None) -> Sequence[Any]:
        """What the retriever finds among its `k`, without sections of deleted documents."""
        deleted = self.read_deleted()
        found = self.retriever.rank(question, k=k, embedding=embedding)
        return [section for section in found if not deleted & _list_documents(section.section_id)] if deleted else found

    def read(self, ranked: Sequence[Any]) -> Sequence[Section]:
        """As the retriever does."""
        return self.retriever.read(ranked)


def leave_out_deleted(settings: Settings, case: UseCase, chain: Chain) -> Chain:
    """The same chain for readers.

    Raises:
        HeadraceError: Which documents are deleted cannot be read.
    """
    return replace(chain, retriever=LeavesOutDeleted(retriever=chain.retriever, read_deleted=DeletedDocuments(settings, case)))


def _list_documents(section_id: str) -> set[str]:
    """What may be the document of a section, `<document>#<anchor>`: both may have such a sign."""
    return set(accumulate(section_id.split("#"), "{}#{}".format))
