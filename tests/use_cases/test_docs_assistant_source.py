"""Documents of the reference or of one's own, with the questions that belong to them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headrace.errors import SourceError
from headrace.llm.document_folder import DOCUMENTS
from use_cases.docs_assistant.questions import FIRST_ASKED_AT, UNANSWERABLE
from use_cases.docs_assistant.source import PYTHON_DOCS, QUESTIONS, RELEASED_AT, DocumentsAndQuestions

UNTIL = FIRST_ASKED_AT + timedelta(hours=2)
QUESTION = "question_id,question,asked_at,answer_section_id,answer,origin,is_answerable,known_at\nq1,What is tea?,,,,me,true,2023-01-01T00:00:00Z\n"


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "corpus" / "faq").mkdir(parents=True)
    (tmp_path / "corpus" / "faq" / "a.rst.txt").write_text("FAQ\n===\n\nWhy?\n----\n\nBecause.\n")
    return tmp_path / "corpus"


def source(settings, corpus):
    return DocumentsAndQuestions(documents=replace(PYTHON_DOCS, find_folder=lambda _: corpus)).within(settings)


def ask(source, *, after=None, until=UNTIL):
    return [row for delivery in source.deliveries(QUESTIONS, after=after, until=until) for row in delivery.read()["known_at"].to_list()]


def test_questions_come_when_they_are_asked_and_once(settings, corpus):
    found = source(settings, corpus)
    assert ask(found, until=FIRST_ASKED_AT - timedelta(hours=1)) == []
    assert ask(found) == [FIRST_ASKED_AT + timedelta(hours=hour) for hour in range(3)]
    assert ask(found, after=UNTIL, until=UNTIL + timedelta(hours=1)) == [UNTIL + timedelta(hours=1)]
    assert len(ask(found, until=UNTIL + timedelta(days=99))) == len(UNANSWERABLE) + 1


def test_reference_documents_are_known_since_their_release(settings, corpus):
    deliveries = source(settings, corpus).deliveries(DOCUMENTS, after=None, until=UNTIL)
    assert [row["known_at"] for delivery in deliveries for row in delivery.read().to_dicts()] == [RELEASED_AT]


def test_documents_of_ones_own_come_with_the_questions_of_the_landing_folder(settings, corpus, tmp_path):
    (tmp_path / "landing" / "docs_assistant" / "questions").mkdir(parents=True)
    (tmp_path / "landing" / "docs_assistant" / "questions" / "first.csv").write_text(QUESTION)
    own = settings.model_copy(update={"documents_root": corpus, "landing_root": tmp_path / "landing"})
    assert len(ask(source(own, corpus), until=UNTIL + timedelta(days=36_500))) == 1


def test_without_questions_a_sentence_says_what_is_missing(settings, corpus, tmp_path, caplog):
    own = settings.model_copy(update={"documents_root": corpus, "landing_root": tmp_path / "landing"})
    assert ask(source(own, corpus)) == []
    assert "documents are indexed, and nothing is promoted that nobody could judge" in caplog.text


def test_without_an_environment_there_are_no_questions():
    with pytest.raises(SourceError, match="load the use case with load_in"):
        DocumentsAndQuestions().deliveries(QUESTIONS, after=None, until=UNTIL)
