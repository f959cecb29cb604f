"""The truth is the section below the question, and the corpus does not print the question."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.errors import SourceError
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.llm.cleaning import SPLIT_SCHEMA, split_documents
from headrace.llm.sectioning import split_document
from use_cases.docs_assistant.questions import BY_HAND, FIRST_ASKED_AT, UNANSWERABLE, hide_questions, read_questions

FAQ = """\
===========
Python? FAQ
===========

Not an answer.

General
=======

Why is the sky blue?
--------------------

Because of scattering.

.. _short:

Is it?
------

Yes.

Asked twice?
------------

Once.

No question here
----------------

Text.
"""
NOON = datetime(2023, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "faq").mkdir()
    (tmp_path / "faq" / "general.rst.txt").write_text(FAQ)
    (tmp_path / "faq" / "other.rst.txt").write_text("Other\n=====\n\nAsked twice?\n------------\n\nTwice.\n")
    (tmp_path / "guide.rst.txt").write_text("What now?\n=========\n\nRead on.\n")
    return tmp_path


def split(corpus):
    rows = [
        {"document_id": path.relative_to(corpus).as_posix(), "content": path.read_bytes(), "content_hash": "x", "media_type": "text/x-rst"}
        for path in corpus.rglob("*.txt")
    ]
    stamps = dict.fromkeys(("known_at", "_ingested_at"), NOON) | dict.fromkeys(("_source", "_batch_id"), "x")
    return hide_questions(split_documents(pl.DataFrame([row | stamps for row in rows])))


def test_every_question_of_the_faq_has_the_section_below_it_as_its_truth(corpus):
    asked = read_questions(corpus).filter("is_answerable")
    assert dict(asked.select("question", "answer").iter_rows()) == {"Why is the sky blue?": "Because of scattering.", "Is it?": "Yes."}
    found = asked.join(split(corpus), left_on="answer_section_id", right_on="section_id")
    assert found.height == 2
    assert found["answer"].equals(found["text"])


def test_no_word_of_a_question_is_left_in_the_corpus_around_its_answer(corpus):
    rows = split(corpus).sort("document_id", "position")
    assert rows.schema == pl.Schema(SPLIT_SCHEMA)
    assert rows.select("title", "heading_path", "text").rows() == [
        ("Python? FAQ", "Python? FAQ", "Not an answer."),
        ("General", "Python? FAQ > General", "Because of scattering."),
        ("General", "Python? FAQ > General", "Yes."),
        ("General", "Python? FAQ > General", "Once."),
        ("No question here", "Python? FAQ > General > No question here", "Text."),
        ("Other", "Other", "Twice."),
        ("What now?", "What now?", "Read on."),
    ]
    assert not [name for name in rows["section_id"] if "sky" in name or "short" in name]


def test_questions_without_an_answer_say_that_they_were_written_by_hand(corpus):
    rows = read_questions(corpus).filter(~pl.col("is_answerable"))
    assert set(rows["question"]) == set(UNANSWERABLE)
    assert set(rows["origin"]) == {BY_HAND}
    assert rows["answer_section_id"].null_count() == rows["answer"].null_count() == rows.height


def test_one_question_is_asked_an_hour_in_an_order_that_is_not_that_of_the_pages(corpus):
    rows = read_questions(corpus)
    assert rows["asked_at"].to_list() == [FIRST_ASKED_AT + timedelta(hours=hour) for hour in range(len(UNANSWERABLE) + 2)]
    assert rows["known_at"].equals(rows["asked_at"].alias("known_at"))
    assert rows.filter(~pl.col("is_answerable"))["question"].to_list() != list(UNANSWERABLE)


def test_the_rows_are_those_that_bronze_promises(corpus):
    promised = load_contract("bronze.docs_assistant_questions").schema
    assert read_questions(corpus).schema == pl.Schema({name: dtype for name, dtype in promised.items() if name not in SYSTEM_COLUMNS})


def test_a_corpus_without_a_faq_says_what_to_do(tmp_path):
    with pytest.raises(SourceError, match=r"has no questions below faq/; for documents of your own give DOCS="):
        read_questions(tmp_path)


def test_a_title_above_all_is_no_question():
    sections = split_document(FAQ.encode(), media_type="text/x-rst", document_id="faq/general.rst.txt")
    assert sections[0].title == "Python? FAQ"
