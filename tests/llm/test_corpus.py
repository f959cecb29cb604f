import polars as pl
import pytest

from headrace.lake import tables
from headrace.lake.contracts import BROKEN_COLUMN
from headrace.llm.corpus import read_current_versions, read_sections
from headrace.llm.repeats import find_repeats
from tests.llm.small_documents import CASE, at, deliver


def texts(settings, day):
    return read_sections(settings, CASE, at(day))["text"].to_list()


def test_the_corpus_at_an_instant_is_the_newest_version_of_what_is_there_then(settings):
    deliver(settings, 1, {"a.md": "one\n\ntwo", "b.md": "three"})
    deliver(settings, 2, {"a.md": "one\n\ntwo changed"})
    deliver(settings, 3, {"b.md": None})
    assert texts(settings, 1) == ["one", "two", "three"]
    assert texts(settings, 2) == ["one", "two changed", "three"]
    assert texts(settings, 3) == ["one", "two changed"]
    assert read_current_versions(settings, CASE, at(3))["document_id"].to_list() == ["a.md"]


def test_a_document_that_comes_back_is_there_again_as_it_was(settings):
    deliver(settings, 1, {"a.md": "one"})
    deliver(settings, 2, {"a.md": None})
    deliver(settings, 3, {"a.md": "one"})
    assert [texts(settings, day) for day in (1, 2, 3)] == [["one"], [], ["one"]]


def kept(settings, day):
    """Sections that the corpus of a day has once."""
    sections = read_sections(settings, CASE, at(day))
    return sections.join(find_repeats(sections), on=["section_id", "content_hash"], how="anti")["section_id"].sort().to_list()


SAID = {name: f"{letter}\n\nsaid twice" for name, letter in (("a.md", "A"), ("b.md", "B"), ("c.md", "C"))}


@pytest.mark.parametrize("deliveries", ["a b c", "c b a", "bc a", "abc"])
def test_of_what_is_said_twice_one_is_kept_whatever_came_in_which_delivery(settings, deliveries):
    for day, letters in enumerate(deliveries.split(), start=1):
        deliver(settings, day, {f"{letter}.md": SAID[f"{letter}.md"] for letter in letters})
    assert kept(settings, 5) == ["a.md#0", "a.md#1", "b.md#0", "c.md#0"]
    deliver(settings, 6, {"a.md": None})
    assert kept(settings, 6) == ["b.md#0", "b.md#1", "c.md#0"]


def test_what_refine_sent_to_quarantine_for_a_repeat_only_comes_back_when_the_kept_one_is_gone(settings):
    deliver(settings, 1, SAID)
    silver = CASE.silver_table("documents")
    rows = tables.read(settings, silver).filter(pl.col("document_id") == "b.md").collect()
    for place, broken in enumerate(["repeats_no_other_section", "language_is_allowed, repeats_no_other_section"]):
        names = [pl.format("b.md#x{}-{}", pl.lit(place), "position").alias("section_id"), pl.lit(broken).alias(BROKEN_COLUMN)]
        tables.append(settings, f"{silver}_rejected", rows.with_columns(names), batch_id=f"refine/docs_assistant/rejected-{place}/1")
    there = read_sections(settings, CASE, at(1))["section_id"].to_list()
    assert {"b.md#x0-0", "b.md#x0-1"} <= set(there)
    assert not any(name.startswith("b.md#x1") for name in there)
    deliver(settings, 2, {"b.md": None})
    assert kept(settings, 2) == ["a.md#0", "a.md#1", "c.md#0"]
