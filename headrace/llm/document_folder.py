"""A folder of documents as a source: what is new, changed or gone since bronze last heard of it.

Two feeds of a use case come from one folder:

    documents            the bytes of every version of a document that bronze does not hold yet
    document_versions    the manifest: one row per document that is new, changed or deleted

A folder has no history, so it is compared with bronze: a version is new when its bytes are, a document is deleted when the manifest
still has it and its file is gone. Deliveries are named by what they hold and what they replace, never by when they were looked for:
a run that was killed and runs again finds the rest, under the same names.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from headrace.errors import SourceError
from headrace.lake import tables
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.llm.corpus import DOCUMENTS, VERSIONS
from headrace.llm.document_files import Document, list_documents
from headrace.settings import Settings
from headrace.source import Delivery

# The origin of documents that a person brings: what they are of, nobody but that person knows.
OWN = "own"

# Bytes of one delivery, so that a large folder is never in memory at once. Duplicates are looked for within a delivery.
DELIVERY_BYTES = 64 << 20

# What Sphinx writes beside its pages: sources and scripts, and pages that list other pages.
SPHINX_EXTRAS = ("_sources/*", "_static/*", "_images/*", "_downloads/*", "genindex*.html", "search.html", "py-modindex.html")


@dataclass(frozen=True, kw_only=True)
class DocumentFolder:
    """A source of documents.

    Attributes:
        use_case: Whose bronze tables the folder is compared with.
        origin: Which body of documents it holds; a column of its rows, so that whoever reads them later knows it, wherever they are read.
        find_folder: Where the documents are; asked when they are needed, for they may have to be fetched first.
        licence: SPDX id of their licence; None: nobody has declared it.
        licences: Folder below -> licence of what lies in it, where it is another; the longest one that fits counts.
        first_known_at: Instant (UTC) from which all counts that is found while bronze has no manifest: when a finished body of
            documents was published. None: what is found is known then, as later changes are.
        excluded: Patterns of paths below the folder that are left out.
        settings: The environment; set by `within`.
    """

    use_case: str
    origin: str
    find_folder: Callable[[Settings], Path]
    licence: str | None
    licences: Mapping[str, str] = field(default_factory=dict)
    first_known_at: datetime | None = None
    excluded: tuple[str, ...] = SPHINX_EXTRAS
    settings: Settings | None = field(default=None, repr=False)

    def within(self, settings: Settings) -> "DocumentFolder":
        """The same in an environment: compared with its bronze, and about its own folder where it has one (`documents_root`)."""
        own = settings.documents_root
        if own is None:
            return replace(self, settings=settings)
        own_ones = {"origin": OWN, "find_folder": lambda _: own, "licence": settings.documents_licence}
        return replace(self, settings=settings, licences={}, first_known_at=None, **own_ones)

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """What bronze does not know of the folder as it is now.

        What is found at `until` (UTC) is known at `until`, whatever dates the files have: nobody could know it here before. For an
        `until` before the newest row of the manifest nothing is delivered, because the past of a folder cannot be looked at.

        Raises:
            SourceError: The feed is unknown, no environment is set, bronze holds another body of documents, or the folder cannot be taken
                (see `list_documents`).
        """
        if feed not in (DOCUMENTS, VERSIONS):
            raise SourceError(f"a folder of documents has no feed {feed!r}; feeds: {DOCUMENTS}, {VERSIONS}")
        bronze = self._read_bronze(DOCUMENTS)
        # First, for the past of a replay would hide that it is another body whose past that is.
        self._check_origin(bronze)
        manifest = self._read_bronze(VERSIONS).drop("_source", "_batch_id")
        newest_at = manifest["known_at"].max()
        known_at = self.first_known_at if self.first_known_at is not None and newest_at is None else until
        if known_at > until or (isinstance(newest_at, datetime) and until < newest_at):
            return []
        held = set(bronze.select("document_id", "content_hash").iter_rows())
        found = list_documents(self.find_folder(self._environment), excluded=self.excluded)
        if feed == DOCUMENTS:
            new = [document for document in found if (document.document_id, document.content_hash) not in held]
            return [self._deliver_documents(part, known_at) for part in _cut(new)]
        # Bytes come first, the manifest after them: it names a version only when bronze holds its bytes.
        named = [document for document in found if (document.document_id, document.content_hash) in held]
        return self._deliver_versions(named, {document.document_id for document in found}, manifest, known_at)

    @property
    def _environment(self) -> Settings:
        if self.settings is None:
            raise SourceError(f"the documents of {self.use_case} are compared with the bronze of an environment: load the use case with load_in")
        return self.settings

    def _check_origin(self, bronze: pl.DataFrame) -> None:
        """Two bodies of documents in one corpus would delete each other, and answer each other's questions."""
        others = sorted(set(bronze["origin"].drop_nulls()) - {self.origin})
        if others:
            environment = self._environment.environment
            raise SourceError(
                f"{environment} holds the documents {', '.join(others)} of {self.use_case}, and these are {self.origin}; "
                f"give DOCS= as before, start over with make reset ENV={environment}, or set HEADRACE_HOME to a folder for these"
            )

    def _read_bronze(self, feed: str) -> pl.DataFrame:
        """Bronze rows without the bytes."""
        rows = tables.read(self._environment, f"bronze.{self.use_case}_{feed}")
        return rows.drop("content", strict=False).collect()

    def _schema(self, feed: str) -> dict[str, pl.DataType]:
        promised = load_contract(f"bronze.{self.use_case}_{feed}").schema
        return {name: dtype for name, dtype in promised.items() if name not in SYSTEM_COLUMNS}

    def _deliver_documents(self, part: Sequence[Document], known_at: datetime) -> Delivery:
        name = _digest(f"{document.document_id}:{document.content_hash}" for document in part)
        read = partial(_read_documents, part, {"known_at": known_at, "origin": self.origin}, self._schema(DOCUMENTS))
        return Delivery(feed=DOCUMENTS, slice_name=name, arrived_at=known_at, origin=f"{len(part)} documents", read=read)

    def _deliver_versions(self, named: Sequence[Document], there: set[str], manifest: pl.DataFrame, known_at: datetime) -> list[Delivery]:
        """All changes in one delivery; none where nothing changed."""
        newest = manifest.sort("known_at", "_ingested_at").unique("document_id", keep="last", maintain_order=True)
        before = {str(row["document_id"]): row for row in newest.iter_rows(named=True)}
        described = [self._describe(document, known_at) for document in named]
        # What a document may be used for is part of its version: its licence may be declared later, or change.
        told = ("content_hash", "licence")
        changed = [row for row in described if any(before.get(row["document_id"], {}).get(column) != row[column] for column in told)]
        gone = [row for name, row in sorted(before.items()) if name not in there and not row["is_deleted"]]
        if not changed and not gone:
            return []
        rows = changed + [dict(row) | {"content_hash": None, "byte_count": None, "is_deleted": True, "known_at": known_at} for row in gone]
        # The row that each one replaces belongs to the name: a document may be deleted, come back and be deleted again.
        name = _digest(f"{row['document_id']}:{row['content_hash']}:{row['licence']}:{_replaced(before, row)}" for row in rows)
        schema = self._schema(VERSIONS)
        frame = pl.DataFrame([{column: row[column] for column in schema} for row in rows], schema=schema)
        return [Delivery(feed=VERSIONS, slice_name=name, arrived_at=known_at, origin=f"{len(rows)} changes", read=lambda: frame)]

    def _describe(self, document: Document, known_at: datetime) -> dict[str, Any]:
        fits = [folder for folder in self.licences if document.document_id.startswith(folder.rstrip("/") + "/")]
        return {
            "document_id": document.document_id,
            "content_hash": document.content_hash,
            "is_deleted": False,
            "media_type": document.media_type,
            "licence": self.licences[max(fits, key=len)] if fits else self.licence,
            "byte_count": document.byte_count,
            "known_at": known_at,
        }


def _read_documents(part: Sequence[Document], common: Mapping[str, Any], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    rows = [{name: getattr(document, name, None) for name in schema} | {"content": document.read(), **common} for document in part]
    return pl.DataFrame(rows, schema=schema)


def _cut(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Parts of at most `DELIVERY_BYTES`, or of one document; what was delivered before does not move the later cuts."""
    part: list[Document] = []
    held = 0
    for document in documents:
        if part and held + document.byte_count > DELIVERY_BYTES:
            yield part
            part, held = [], 0
        part.append(document)
        held += document.byte_count
    if part:
        yield part


def _replaced(before: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]) -> str:
    newest = before.get(row["document_id"])
    return newest["known_at"].astimezone(UTC).isoformat() if newest else "nothing"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
