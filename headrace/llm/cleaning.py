"""Bronze documents to rows of sections: split, told apart by language and by what they repeat, personal data masked, tokens counted.

Nothing is thrown away here. A section that repeats another, is in another language or has no text is a row all the same: the
contract of the silver table says what it refuses, so refused rows are in quarantine and counted where all others are.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import polars as pl

from headrace.lake.contracts import SYSTEM_COLUMNS
from headrace.llm.languages import find_language
from headrace.llm.near_duplicates import find_duplicates
from headrace.llm.sectioning import MEDIA_TYPES, split_document

logger = logging.getLogger(__name__)

_INSTANT = pl.Datetime("us", "UTC")

# A section as it was written, before it is cleaned: what a use case may still change.
SPLIT_SCHEMA: Mapping[str, pl.DataType] = {
    "section_id": pl.String(),
    "document_id": pl.String(),
    "content_hash": pl.String(),
    "position": pl.Int64(),
    "title": pl.String(),
    "heading_path": pl.String(),
    "text": pl.String(),
    "known_at": _INSTANT,
    **SYSTEM_COLUMNS,
}
# The columns that cleaning adds.
_ADDED: Mapping[str, pl.DataType] = {
    "language": pl.String(),
    "token_count": pl.Int64(),
    "tokenizer": pl.String(),
    "masked_count": pl.Int64(),
    "duplicate_of": pl.String(),
}


class Tokenizer(Protocol):
    """What counts tokens, under a name that changes whenever its counts could."""

    @property
    def version(self) -> str:
        """`name@first 12 digits of its sha256`."""
        ...

    def count(self, texts: Sequence[str]) -> Sequence[int]:
        """Tokens of each text."""
        ...


# Personal data out of a text: the text without it, and how many pieces were masked.
Mask = Callable[[str], tuple[str, int]]


@dataclass(frozen=True, kw_only=True)
class Cleaner:
    """What sections are cleaned with.

    Attributes:
        tokenizer: Counts tokens.
        mask: Masks personal data in titles and texts.
    """

    tokenizer: Tokenizer
    mask: Mask

    def clean(self, sections: pl.DataFrame) -> pl.DataFrame:
        """Sections as the silver contract has them.

        Args:
            sections: Rows of `SPLIT_SCHEMA`, in the order in which the first of those that are alike is to be kept.

        Returns:
            One row per row, in the same order, masked, with `language`, `token_count`, `tokenizer`, `masked_count` and `duplicate_of`.
        """
        masked = self._mask(sections)
        texts = masked["text"].to_list()
        added = {
            "language": _find_languages(masked),
            "token_count": self._count(texts),
            "tokenizer": [self.tokenizer.version] * len(texts),
            "duplicate_of": _find_repeated(masked),
        }
        columns = [pl.Series(name, values, dtype=_ADDED[name]) for name, values in added.items()]
        return masked.with_columns(columns).select(*(name for name in SPLIT_SCHEMA if name not in SYSTEM_COLUMNS), *_ADDED, *SYSTEM_COLUMNS)

    def _mask(self, sections: pl.DataFrame) -> pl.DataFrame:
        """Titles are masked too; their pieces count once, though the path repeats them. Anchors are made of titles, and go with them."""
        columns = {name: [self.mask(value) if value else (value, 0) for value in sections[name]] for name in ("title", "heading_path", "text")}
        masked = [pl.Series(name, [text for text, _ in pairs], dtype=pl.String) for name, pairs in columns.items()]
        counts = [title[1] + text[1] for title, text in zip(columns["title"], columns["text"], strict=True)]
        named = zip(sections["section_id"], sections["document_id"], columns["heading_path"], strict=True)
        ids = [_hide_anchor(section_id, document_id) if path[1] else section_id for section_id, document_id, path in named]
        return sections.with_columns(*masked, pl.Series("section_id", ids), pl.Series("masked_count", counts, dtype=pl.Int64))

    def _count(self, texts: Sequence[str | None]) -> list[int]:
        counts = iter(self.tokenizer.count([text for text in texts if text]))
        return [int(next(counts)) if text else 0 for text in texts]


def split_documents(documents: pl.DataFrame) -> pl.DataFrame:
    """Split every document of a batch.

    Args:
        documents: Rows of a bronze table of documents, system columns included.

    Returns:
        Rows of `SPLIT_SCHEMA`, ordered by document and position. A document without a section (empty, not UTF-8, too large to be
        taken) is one row under its own id, without a text.
    """
    rows = [row for document in documents.sort("document_id", "content_hash").iter_rows(named=True) for row in _split(document)]
    return pl.DataFrame(rows, schema=SPLIT_SCHEMA)


def _hide_anchor(section_id: str, document_id: str) -> str:
    """The id of a section with a hash for its anchor; a document without text has none."""
    anchor = section_id.removeprefix(document_id)
    return f"{document_id}#{hashlib.sha256(anchor.encode()).hexdigest()[:12]}" if anchor else section_id


def _split(document: Mapping[str, object]) -> Iterator[dict[str, object]]:
    document_id, content, media_type = str(document["document_id"]), document["content"], str(document["media_type"])
    kept = {name: document[name] for name in ("document_id", "content_hash", "known_at", *SYSTEM_COLUMNS)}
    sections = []
    if isinstance(content, bytes) and media_type in MEDIA_TYPES.values():
        try:
            sections = split_document(content, media_type=media_type, document_id=document_id)
        except UnicodeDecodeError as error:
            logger.warning("document %s is not UTF-8 text (byte %d); it goes to quarantine: save it as UTF-8", document_id, error.start)
    for section in sections:
        yield kept | vars(section)
    if not sections:
        yield kept | {"section_id": document_id, "position": 0, "title": document_id, "heading_path": document_id, "text": None}


def _find_languages(sections: pl.DataFrame) -> list[str | None]:
    """The language of each section; one that is too short to tell has that of its document."""
    found: list[str | None] = []
    pairs = zip(zip(sections["document_id"], sections["content_hash"], strict=True), sections["text"], strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0]):
        texts = [text or "" for _, text in group]
        own = [find_language(text) for text in texts]
        found += [language or _find_common(own) or find_language("\n".join(texts)) for language in own] if None in own else own
    return found


def _find_common(languages: Sequence[str | None]) -> str | None:
    """The language of most sections that tell one, the first of those that are as common."""
    told = [language for language in languages if language]
    return max(dict.fromkeys(told), key=told.count) if told else None


def _find_repeated(sections: pl.DataFrame) -> list[str | None]:
    """The section that each one repeats. The title counts: the same sentence under another heading may say another thing."""
    has_text = sections["text"].fill_null("").str.strip_chars() != ""
    said = sections.filter(has_text)
    repeats = iter(find_duplicates([f"{title}\n{text}" for title, text in zip(said["title"], said["text"], strict=True)]))
    ids = said["section_id"].to_list()
    numbers = [next(repeats) if is_said else None for is_said in has_text]
    return [None if number is None else ids[number] for number in numbers]
