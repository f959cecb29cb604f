"""From a folder to silver through real tables: what the contract refuses is in quarantine, counted, and nothing is lost."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace import settings as environments
from headrace.lake import tables
from headrace.lake.ingestion import append_feed
from headrace.lake.refinement import refine_feed
from headrace.settings import load_settings
from tests.llm.words import GERMAN, Words
from use_cases.docs_assistant import refine
from use_cases.docs_assistant.source import DocumentsAndQuestions

NOON = datetime(2023, 3, 1, 12, tzinfo=UTC)
FEEDS = {"documents": refine.refine_documents, "document_versions": refine.refine_document_versions, "questions": refine.refine_questions}
SECTIONS = "silver.docs_assistant_sections"
PAGES = {
    "guide.md": b"# Guide\n\nWrite to ada.lovelace@analytical-engines.org.\n\n## Start\n\nTurn the wheel.",
    "copy.md": b"# Other\n\nTurn the crank.\n\n## Start\n\nTurn the wheel.",
    "mill.md": f"# Die Mühle\n\n{GERMAN}".encode(),
    "old.txt": b"caf\xe9",
    "blank.txt": b"\n",
    **{f"more/page-{number}.md": f"# Page {number}\n\nWheel {number} is turned by water.".encode() for number in range(4)},
}


@pytest.fixture(autouse=True)
def counts_words(monkeypatch):
    monkeypatch.setattr(refine, "load_default", lambda settings: Words())


def build_case(settings) -> Any:
    def table(layer, noun):
        return f"{layer}.docs_assistant_{noun}"

    def silver_table(feed):
        return table("silver", {"documents": "sections"}.get(feed, feed))

    return SimpleNamespace(
        name="docs_assistant",
        feeds=FEEDS,
        silver={"documents": "sections"},
        table=table,
        silver_table=silver_table,
        source=DocumentsAndQuestions().within(settings),
    )


def run(settings, at):
    case, decisions = build_case(settings), []
    with environments.within(settings):
        for feed in FEEDS:
            append_feed(settings, case, feed, as_of=at)
            decisions.append(refine_feed(settings, case, feed, as_of=at).decision)
            assert decisions[-1].passed, decisions[-1].reason
    return [decision.reason for decision in decisions]


def write(folder, pages):
    for name, content in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def within(home, folder):
    return load_settings("dev", home=home).model_copy(update={"documents_root": folder, "landing_root": home / "landing"})


def read(settings, table):
    return tables.read(settings, table).collect()


def test_what_the_contract_refuses_is_in_quarantine_with_its_reason_and_counted(tmp_path):
    write(tmp_path / "docs", PAGES)
    settings = within(tmp_path / "home", tmp_path / "docs")
    assert run(settings, NOON)[0] == "documents: 9 rows refined to 7 sections"
    rejected = dict(read(settings, f"{SECTIONS}_rejected").select("section_id", "_expectation").iter_rows())
    assert rejected == {
        "guide.md#start": "repeats_no_other_section",
        "mill.md#die-mühle": "language_is_allowed",
        "old.txt": "text_is_not_null",
        "blank.txt": "text_is_not_null",
    }
    accepted = read(settings, SECTIONS)
    assert set(accepted["section_id"]) == {"guide.md#guide", "copy.md#other", "copy.md#start", *(f"more/page-{n}.md#page-{n}" for n in range(4))}
    assert accepted.filter(pl.col("section_id") == "guide.md#guide").select("text", "masked_count").rows() == [
        ("Write to [email address removed].", 1)
    ]
    failed = read(settings, "metrics.data_quality").filter((pl.col("table_name") == SECTIONS) & (pl.col("rows_failed") > 0))
    assert dict(failed.select("expectation", "rows_failed").iter_rows()) == {
        "text_is_not_null": 2,
        "language_is_allowed": 1,
        "repeats_no_other_section": 1,
        "no_personal_data_came": 1,
        "batch_verdict": 4,
    }


@pytest.mark.long
def test_a_changed_document_adds_its_new_version_and_leaves_the_old_one(tmp_path):
    write(tmp_path / "docs", {"guide.md": b"# Guide\n\nOne.\n\n## Start\n\nTurn."})
    settings = within(tmp_path / "home", tmp_path / "docs")
    run(settings, NOON)
    write(tmp_path / "docs", {"guide.md": b"# Guide\n\nTwo.\n\n## Start\n\nTurn."})
    run(settings, NOON + timedelta(hours=1))
    run(settings, NOON + timedelta(hours=2))
    rows = read(settings, SECTIONS).sort("known_at", "position")
    assert rows["section_id"].to_list() == ["guide.md#guide", "guide.md#start"] * 2
    assert rows["text"].to_list() == ["One.", "Turn.", "Two.", "Turn."]
    versions = read(settings, "silver.docs_assistant_document_versions").sort("known_at")
    assert versions["content_hash"].to_list() == rows["content_hash"].unique(maintain_order=True).to_list()


@pytest.mark.long
def test_a_run_that_was_killed_anywhere_and_run_again_leaves_the_same_tables(tmp_path, monkeypatch):
    write(tmp_path / "docs", PAGES)
    whole, killed = (within(tmp_path / name, tmp_path / "docs") for name in ("whole", "killed"))
    run(whole, NOON)
    append, left = tables.append, [0]

    def die(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt("killed")
        return append(*args, **kwargs)

    monkeypatch.setattr(tables, "append", die)
    for writes in (0, 1, 2, 4):
        left[0] = writes
        with pytest.raises(KeyboardInterrupt, match="killed"):
            run(killed, NOON)
    left[0] = 100
    run(killed, NOON)
    found = tables.list_tables(whole)
    assert found == tables.list_tables(killed)
    for table in found:
        assert_frame_equal(read(whole, table), read(killed, table), check_row_order=False)


def test_a_question_and_its_truth_are_masked():
    rows = pl.DataFrame({"question": ["Is ada.lovelace@analytical-engines.org in?"], "answer": [None]}, schema_overrides={"answer": pl.String})
    assert refine.refine_questions(rows).rows() == [("Is [email address removed] in?", None)]


def test_documents_are_refined_alike_whatever_the_process_is_set_to(tmp_path):
    write(tmp_path / "docs", {"faq/a.md": b"# FAQ\n\n## Why?\n\nBecause."})
    own = within(tmp_path / "home", tmp_path / "docs")
    case = build_case(own)
    append_feed(own, case, "documents", as_of=NOON)
    rows = read(own, "bronze.docs_assistant_documents")
    refined = []
    for settings in (own, own.model_copy(update={"documents_root": None})):
        with environments.within(settings):
            refined.append(refine.refine_documents(rows))
            reference = refine.refine_documents(rows.with_columns(origin=pl.lit("python-docs")))
            assert reference.filter(pl.col("text") == "Because.")["title"].to_list() == ["FAQ"]
    assert_frame_equal(*refined)
    assert refined[0].filter(pl.col("text") == "Because.")["title"].to_list() == ["Why?"]
