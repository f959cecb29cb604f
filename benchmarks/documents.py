"""What it takes to make sections of the reference documents: `make bench-documents`.

CPU-seconds of one process, step by step, and what comes out. The steps are those of the refiner of `docs_assistant`.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import polars as pl

from benchmarks.verb import run
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.lake.quality import judge
from headrace.llm.cleaning import Cleaner, split_documents
from headrace.llm.document_files import list_documents
from headrace.llm.languages import find_language
from headrace.llm.near_duplicates import find_duplicates
from headrace.llm.personal_data import mask
from headrace.llm.tokenizing import load_default
from headrace.settings import Settings
from use_cases.docs_assistant.questions import hide_questions, read_questions
from use_cases.docs_assistant.source import CORPUS, find_reference

T = TypeVar("T")

NOW = datetime(2023, 2, 8, tzinfo=UTC)


def measure(settings: Settings) -> None:
    """The steps one by one, then all of them as the refiner runs them, then the contract."""
    documents = timed("read", lambda: read_documents(settings))
    split = timed("split", lambda: hide_questions(split_documents(documents)))
    texts = split["text"].drop_nulls().to_list()
    tokenizer = load_default(settings)
    timed("mask", lambda: [mask(text) for text in texts])
    timed("count tokens", lambda: tokenizer.count(texts))
    timed("tell languages", lambda: [find_language(text) for text in texts])
    timed("find duplicates", lambda: find_duplicates(texts))
    rows = timed("clean, all of these", lambda: Cleaner(tokenizer=tokenizer, mask=mask).clean(split))
    report = timed("judge, with its imports", lambda: judge(rows, load_contract("silver.docs_assistant_sections")))
    print_figures(documents, rows, read_questions(find_reference(settings)))
    print(report.decision.reason)


def read_documents(settings: Settings) -> pl.DataFrame:
    """The reference documents as rows of bronze."""
    found = list_documents(find_reference(settings))
    stamps = {"known_at": NOW, "origin": CORPUS, **dict.fromkeys(SYSTEM_COLUMNS, "bench"), "_ingested_at": NOW}
    columns = ("document_id", "content_hash", "media_type", "byte_count")
    rows = [{name: getattr(document, name) for name in columns} | {"content": document.read()} | stamps for document in found]
    return pl.DataFrame(rows, schema=load_contract("bronze.docs_assistant_documents").schema)


def print_figures(documents: pl.DataFrame, rows: pl.DataFrame, questions: pl.DataFrame) -> None:
    """What came out."""
    print(f"documents: {documents.height}, {documents['byte_count'].sum():,} bytes")
    print(f"sections: {rows['text'].count()} with text of {rows.height}, {rows['text'].str.len_chars().sum():,} characters")
    print(f"duplicates: {rows['duplicate_of'].count()}")
    print(f"languages: {dict(rows['language'].value_counts(sort=True).iter_rows())}")
    print(f"personal data: {rows['masked_count'].sum()} pieces in {(rows['masked_count'] > 0).sum()} sections")
    print(f"tokens: {rows['token_count'].sum():,} by {rows['tokenizer'][0]}, median {rows['token_count'].median():.0f} of a section")
    print(f"questions: {questions['is_answerable'].sum()} with a section, {(~questions['is_answerable']).sum()} without")
    digest = hashlib.sha256("".join(rows.sort("section_id")["section_id"]).encode()).hexdigest()
    print(f"sha256 of all section ids: {digest[:12]}")


def timed(name: str, step: Callable[[], T]) -> T:
    """Run a step and print the CPU-seconds that it took."""
    begin = time.process_time()
    result = step()
    print(f"{name}: {time.process_time() - begin:.1f} CPU-s")
    return result


if __name__ == "__main__":
    sys.exit(run(measure))
