"""From the feeds to silver: documents become sections, questions lose personal data, the manifest stays as it is."""

import polars as pl

from headrace.llm.cleaning import Cleaner, split_documents
from headrace.llm.personal_data import mask
from headrace.llm.tokenizing import load_default
from headrace.settings import load_settings
from use_cases.docs_assistant.questions import hide_questions
from use_cases.docs_assistant.source import CORPUS


def refine_documents(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per section of one version of a document; of a document without text one row without text.

    The reference corpus is searched with the questions of its own FAQ, so it must not print them; documents of your own stay as they are.
    The rows say which they are, so that they are refined alike wherever and whenever that is done.
    """
    is_reference = pl.col("origin").eq_missing(CORPUS)
    sections = pl.concat([hide_questions(split_documents(rows.filter(is_reference))), split_documents(rows.filter(~is_reference))])
    return Cleaner(tokenizer=load_default(load_settings()), mask=mask).clean(sections)


def refine_document_versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per document that is new, changed or deleted."""
    return rows


def refine_questions(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per question. The answer is masked as its section is, so the two can be compared."""
    masked = [pl.Series(name, [mask(text)[0] if text else text for text in rows[name]], dtype=pl.String) for name in ("question", "answer")]
    return rows.with_columns(masked)
