"""From the feeds to silver: documents become sections, questions lose personal data, the manifest stays as it is."""

import polars as pl

from headrace.llm.cleaning import Cleaner, split_documents
from headrace.llm.personal_data import mask
from headrace.llm.tokenizing import load_default
from headrace.settings import load_settings
from use_cases.docs_assistant.questions import hide_questions


def refine_documents(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per section of one version of a document; of a document without text one row without text.

    The reference corpus is searched with the questions of its own FAQ, so it must not print them; documents of your own stay as they are.
    """
    settings = load_settings()
    sections = split_documents(rows)
    is_reference = settings.documents_root is None
    return Cleaner(tokenizer=load_default(settings), mask=mask).clean(hide_questions(sections) if is_reference else sections)


def refine_document_versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per document that is new, changed or deleted."""
    return rows


def refine_questions(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per question. The answer is masked as its section is, so the two can be compared."""
    masked = [pl.Series(name, [mask(text)[0] if text else text for text in rows[name]], dtype=pl.String) for name in ("question", "answer")]
    return rows.with_columns(masked)
