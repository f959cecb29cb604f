"""The corpus at an instant: which version of each document holds then, and its sections.

Silver keeps every version that there was and is never rewritten, so an answer of last month can be read on the corpus of last
month. A document that was deleted, or came back, is one more row of its history.
"""

from datetime import datetime

import polars as pl

from headrace.lake import tables
from headrace.settings import Settings
from headrace.use_case import UseCase

# Feeds of a use case that answers from documents.
DOCUMENTS = "documents"
VERSIONS = "document_versions"


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
    newest = known.sort("known_at").unique("document_id", keep="last")
    return newest.filter(~pl.col("is_deleted")).select("document_id", "content_hash").sort("document_id").collect()


def read_sections(settings: Settings, case: UseCase, as_of: datetime) -> pl.DataFrame:
    """The sections of the corpus at an instant, with the columns of the silver table.

    Args:
        settings: The environment.
        case: The use case.
        as_of: The instant (UTC); what became known later does not count.

    Returns:
        One row per section, by document and position.
    """
    known = tables.read(settings, case.silver_table(DOCUMENTS)).filter(pl.col("known_at") <= as_of).collect()
    current = read_current_versions(settings, case, as_of)
    return known.join(current, on=["document_id", "content_hash"], how="semi").sort("document_id", "position")


def read_places(settings: Settings, case: UseCase) -> pl.DataFrame:
    """Where each section stands, and how long it is: `section_id`, `content_hash`, `position`, `token_count`.

    Returns:
        One row per section of every version of a document.
    """
    return tables.read(settings, case.silver_table(DOCUMENTS)).select("section_id", "content_hash", "position", "token_count").collect()
