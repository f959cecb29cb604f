"""The corpus at an instant: which version of each document holds then, and its sections.

Silver keeps every version that there was and is never rewritten, so an answer of last month can be read on the corpus of last
month. A document that was deleted, or came back, is one more row of its history.

Of sections that say the same, one is in the corpus: the first by document and place of those that are there then, whatever came in which
delivery. Refine sees one delivery at a time and sends what repeats within it to quarantine; from there a section comes back when the
one that was kept is gone.
"""

from datetime import datetime

import polars as pl

from headrace.lake import tables
from headrace.lake.contracts import BROKEN_COLUMN, REJECTED_SUFFIX
from headrace.settings import Settings
from headrace.use_case import UseCase

# Feeds of a use case that answers from documents.
DOCUMENTS = "documents"
VERSIONS = "document_versions"

# The promise of the silver table that a repeated section breaks, and the gold table of repeats in the corpus at an instant.
REPEATS_NOTHING = "repeats_no_other_section"
REPEATS = "repeats"


def keep_newest(versions: pl.LazyFrame) -> pl.LazyFrame:
    """The newest row of each document of a manifest, also where that deletes it."""
    return versions.sort("known_at").unique("document_id", keep="last")


def read_current_versions(settings: Settings, case: UseCase, as_of: datetime) -> pl.DataFrame:
    """`document_id` and `content_hash` of every document that is there at an instant.

    Args:
        settings: The environment.
        case: The use case.
        as_of: The instant (UTC); what became known later does not count.

    Returns:
        One row per document that is not deleted, by `document_id`.
    """
    known = tables.read(settings, case.silver_table(VERSIONS)).filter(pl.col("known_at") <= as_of)
    return keep_newest(known).filter(~pl.col("is_deleted")).select("document_id", "content_hash").sort("document_id").collect()


def read_sections(settings: Settings, case: UseCase, as_of: datetime) -> pl.DataFrame:
    """The sections of all documents that are there at an instant, repeats included, with the columns of the silver table.

    Args:
        settings: The environment.
        case: The use case.
        as_of: The instant (UTC); what became known later does not count.

    Returns:
        One row per section, by document and position.
    """
    known = _scan_known(settings, case).filter(pl.col("known_at") <= as_of).collect()
    current = read_current_versions(settings, case, as_of)
    return known.join(current, on=["document_id", "content_hash"], how="semi").sort("document_id", "position")


def read_places(settings: Settings, case: UseCase) -> pl.DataFrame:
    """Where each section stands, and how long it is: `section_id`, `content_hash`, `position`, `token_count`.

    Returns:
        One row per section of every version of a document.
    """
    return _scan_known(settings, case).select("section_id", "content_hash", "position", "token_count").collect()


def read_repeats(settings: Settings, case: UseCase, as_of: datetime) -> pl.DataFrame:
    """`section_id` and `content_hash` of the sections that repeat another one in the corpus of an instant (UTC), as its slice found them."""
    rows = tables.read(settings, case.table("gold", REPEATS)).filter(pl.col("_as_of") == as_of)
    return rows.select("section_id", "content_hash").collect()


def _scan_known(settings: Settings, case: UseCase) -> pl.LazyFrame:
    """Sections of all versions, those too that refine refused for nothing but a repeat."""
    table = case.silver_table(DOCUMENTS)
    repeated = tables.read(settings, table + REJECTED_SUFFIX).filter(pl.col(BROKEN_COLUMN) == REPEATS_NOTHING).drop(BROKEN_COLUMN)
    return pl.concat([tables.read(settings, table), repeated], how="diagonal")
