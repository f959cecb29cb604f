"""A deleted document is told of no more, while its chain still pins an index that holds it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from headrace.errors import HeadraceError
from headrace.lake import tables
from headrace.llm import chain_candidate
from headrace.llm.deletions import LOOK_EVERY_SECONDS, DeletedDocuments, LeavesOutDeleted, leave_out_deleted
from headrace.models.candidate import write_candidate
from headrace.models.kinds.assistant import parse_reply
from headrace.registry.candidates import load_candidate, load_for_readers
from headrace.settings import load_settings
from tests.llm.tiny_chain import CHAIN, METADATA

NOON = datetime(2023, 3, 1, 12, tzinfo=UTC)
TABLE = "silver.toy_document_versions"
TOY = SimpleNamespace(name="toy", silver_table=lambda noun: f"silver.toy_{noun}")
QUESTION = "the list of a file object key"
ASKED = pl.DataFrame({"question": [QUESTION]})


@pytest.fixture
def settings(tmp_path):
    return load_settings("dev", home=tmp_path, variables={})


def record(settings, number, **deleted):
    """One row a document, an hour after the one before."""
    rows = [(name, is_deleted, NOON + timedelta(hours=number)) for name, is_deleted in deleted.items()]
    schema = {"document_id": pl.String, "is_deleted": pl.Boolean, "known_at": pl.Datetime("us", "UTC")}
    tables.append(settings, TABLE, pl.DataFrame(rows, schema=schema, orient="row"), batch_id=f"refine/toy/document_versions/{number}")


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_a_deleted_document_is_neither_found_nor_quoted_and_one_that_came_back_is(settings):
    record(settings, 1, lists=False, dicts=False, files=False)
    assert leave_out_deleted(settings, TOY, CHAIN).reply(QUESTION) == CHAIN.reply(QUESTION)
    record(settings, 2, lists=True, dicts=True)
    record(settings, 3, dicts=False)
    reply = leave_out_deleted(settings, TOY, CHAIN).reply(QUESTION)
    assert set(reply.ranked) == set(CHAIN.reply(QUESTION).ranked) - {"lists#sort"}
    assert "lists#sort" not in reply.cited
    assert "Lists" not in reply.answer


def test_readers_are_told_nothing_of_it_and_flows_judge_the_chain_as_it_is(settings, tmp_path, monkeypatch):
    record(settings, 1, lists=True)
    write_candidate(tmp_path, METADATA)
    monkeypatch.setattr(chain_candidate, "load_chain", lambda settings, case, folder: CHAIN)
    (told,), (judged,) = (load(settings, TOY, tmp_path).predict(ASKED) for load in (load_for_readers, load_candidate))
    assert set(parse_reply(judged).ranked) - set(parse_reply(told).ranked) == {"lists#sort"}


def test_a_server_sees_within_seconds_that_a_document_was_deleted(settings):
    record(settings, 1, lists=False)
    clock = Clock()
    deleted = DeletedDocuments(settings, TOY, clock=clock)
    chain = replace(CHAIN, retriever=LeavesOutDeleted(retriever=CHAIN.retriever, read_deleted=deleted))
    record(settings, 2, lists=True)
    clock.seconds = LOOK_EVERY_SECONDS - 1
    assert "lists#sort" in chain.reply(QUESTION).ranked
    clock.seconds = LOOK_EVERY_SECONDS
    assert "lists#sort" not in chain.reply(QUESTION).ranked


def test_where_the_table_is_lost_what_was_known_last_counts_and_no_server_begins(settings):
    record(settings, 1, lists=True)
    clock = Clock()
    deleted = DeletedDocuments(settings, TOY, clock=clock)
    break_table(settings)
    clock.seconds = LOOK_EVERY_SECONDS
    assert deleted() == {"lists"}
    with pytest.raises(HeadraceError, match="cannot be opened"):
        DeletedDocuments(settings, TOY)


def break_table(settings):
    for part in (settings.home / "dev" / "lake").rglob("*.json"):
        part.write_text("no log")


@pytest.mark.parametrize("name", ["a.md", "a#b.md"])
def test_a_document_whose_name_has_the_sign_of_anchors_is_known_by_it(name):
    section = SimpleNamespace(section_id=f"{name}#c")
    retriever = SimpleNamespace(rank=lambda question, *, k, embedding: [section])
    assert LeavesOutDeleted(retriever=retriever, read_deleted=lambda: frozenset({name})).rank("why", k=1) == []
    assert LeavesOutDeleted(retriever=retriever, read_deleted=lambda: frozenset({"c", "b.md"})).rank("why", k=1) == [section]
