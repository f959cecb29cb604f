import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from lancedb.query import MatchQuery
from polars.testing import assert_frame_equal

from headrace.errors import ModelError
from headrace.lake import tables
from headrace.llm import index_versions, indexing, vector_index
from headrace.llm.crowding import measure_crowding
from headrace.llm.vector_index import build_condition
from headrace.settings import ROOT, load_settings
from tests.llm.small_documents import CASE, at, deliver, embed
from tests.llm.test_tokenizing import write_tokenizer

# Seconds of imports for a stage's gate and the index.
pytestmark = pytest.mark.story

QUESTION = "what is a list"


@pytest.fixture(autouse=True)
def tiny_tokenizer(tmp_path_factory, monkeypatch):
    """No test here needs the model: embeddings are given, and any tokenizer counts."""
    path = write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")
    monkeypatch.setattr(indexing, "load_default", lambda _: indexing_tokenizer(path))


def indexing_tokenizer(path):
    from headrace.llm.tokenizing import load_tokenizer

    return load_tokenizer(path)


def run_index(settings, day, *, revision=1):
    step = indexing.append_chunks(settings, CASE, as_of=at(day), revision=revision, embed=embed)
    assert step.decision.passed, step.decision.reason
    version = indexing.record_version(settings, CASE, as_of=at(day), revision=revision)
    index_versions.publish_index(settings, CASE, version)
    return version


def search(settings, name=None):
    """What both searches find, all of it."""
    index = index_versions.open_index(settings, CASE, name)
    return read(index, index.search_dense(embed([QUESTION])[0], 50)), read(index, index.search_text(QUESTION, 50))


def read(index, hits):
    """Hits with what they say; where a version holds them is its own affair."""
    columns = dict.fromkeys(["chunk_id", "title", "heading_path", "text"], pl.String())
    chunks = pl.DataFrame(index.read_chunks(hits["row_id"].to_list()), schema=columns)
    assert chunks["chunk_id"].to_list() == hits["chunk_id"].to_list()
    return hits.drop("row_id").with_columns(chunks.drop("chunk_id"))


def found(settings, name=None):
    return set(search(settings, name)[0]["text"])


def assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        assert_frame_equal(one, other, abs_tol=1e-6)


def test_new_chunks_are_found_and_those_of_deleted_and_changed_documents_vanish_from_both_searches(settings):
    deliver(settings, 1, {"a.md": "a list is mutable\n\na tuple", "b.md": "what is a string"})
    run_index(settings, 1)
    deliver(settings, 2, {"a.md": "a list is ordered\n\na tuple", "b.md": None})
    run_index(settings, 2)
    dense, text = search(settings)
    assert set(dense["text"]) == {"a list is ordered", "a tuple"}
    assert text["text"].to_list() == ["a list is ordered"]
    row = tables.read(settings, index_versions.TABLE).sort("as_of").collect().to_dicts()[1]
    assert (row["chunk_count"], row["added_count"], row["deleted_count"]) == (2, 2, 3)


def test_many_texts_are_embedded_part_by_part_and_it_is_said_how_far_that_is(settings, monkeypatch, caplog):
    deliver(settings, 1, {"a.md": "a list is mutable\n\na tuple", "b.md": "what is a string"})
    run_index(settings, 1)
    whole = tables.read(settings, index_versions.chunk_table(CASE)).sort("chunk_id").collect()
    monkeypatch.setattr(indexing, "TEXTS_AT_ONCE", 2)
    caplog.set_level("INFO", logger="headrace.progress")
    deliver(settings, 2, {"a.md": "a dict\n\na set\n\na frozen set"})
    run_index(settings, 2)
    assert [record.getMessage() for record in caplog.records if record.name == "headrace.progress"] == [
        "2 of 3 texts embedded",
        "3 of 3 texts embedded",
    ]
    run_index(settings, 1, revision=2)
    again = tables.read(settings, index_versions.chunk_table(CASE)).filter(pl.col("_as_of") == at(1)).sort("chunk_id").collect()
    assert_frame_equal(again, whole)


def test_an_earlier_version_answers_as_it_did(settings):
    deliver(settings, 1, {"a.md": "a list is mutable"})
    first = run_index(settings, 1)
    before = search(settings)
    deliver(settings, 2, {"a.md": None, "b.md": "another list"})
    run_index(settings, 2)
    assert_same(search(settings, first.name), before)
    assert found(settings) == {"another list"}


def test_texts_that_did_not_change_are_not_embedded_again(settings):
    embedded = []

    def count(texts):
        embedded.extend(texts)
        return embed(texts)

    deliver(settings, 1, {"a.md": "one\n\ntwo"})
    indexing.append_chunks(settings, CASE, as_of=at(1), embed=count)
    deliver(settings, 2, {"a.md": "one\n\ntwo changed"})
    indexing.append_chunks(settings, CASE, as_of=at(2), embed=count)
    assert embedded == ["one", "two", "two changed"]


documents = st.dictionaries(st.sampled_from(["a.md", "b.md", "c.md"]), st.sampled_from([None, "a list", "what is\n\na list", "mutable\n\nlist list"]))


@pytest.mark.long
@effort(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(documents.filter(bool), min_size=1, max_size=3))
def test_an_index_that_was_updated_is_one_that_was_built_at_once(tmp_path_factory, changes):
    settings = load_settings("dev", home=tmp_path_factory.mktemp("home"), variables={})
    deliver(settings, 1, {"z.md": "what is always there"})
    for day, change in enumerate([{}, *changes], 1):
        if change:
            deliver(settings, day, change)
        run_index(settings, day)
    updated = search(settings)
    shutil.rmtree(index_versions.index_folder(settings, CASE))
    assert_same(search(settings), updated)
    assert index_versions.open_index(settings, CASE).read_digest() == index_versions.find_version(settings, CASE).content_digest


def test_running_again_writes_and_embeds_nothing(settings):
    deliver(settings, 1, {"a.md": "a list"})
    first = run_index(settings, 1)
    version = tables.read_version(settings, index_versions.chunk_table(CASE))

    def refuse(texts):
        raise AssertionError(f"embedded again: {texts}")

    assert indexing.append_chunks(settings, CASE, as_of=at(1), embed=refuse).rows_written == 1
    assert indexing.record_version(settings, CASE, as_of=at(1)) == first
    index_versions.publish_index(settings, CASE, first)
    assert tables.read_version(settings, index_versions.chunk_table(CASE)) == version
    assert vector_index.list_versions(index_versions.index_folder(settings, CASE)) == [first.name]


def test_a_tick_without_a_change_is_a_version_with_the_same_content(settings):
    deliver(settings, 1, {"a.md": "a list"})
    first, second = run_index(settings, 1), run_index(settings, 2)
    assert first.content_digest == second.content_digest
    assert second.gold_version == first.gold_version + 1


def test_an_empty_corpus_blocks(settings):
    deliver(settings, 1, {"a.md": "a list"})
    deliver(settings, 2, {"a.md": None})
    assert indexing.decide_corpus(settings, CASE, as_of=at(1)).passed
    decision = indexing.decide_corpus(settings, CASE, as_of=at(2))
    assert not decision.passed
    assert "silver.docs_assistant_sections holds no section of a document that is there at 2023-03-02 00:00Z" in decision.reason


def test_a_version_that_nobody_recorded_is_refused(settings):
    with pytest.raises(ModelError, match="docs_assistant has no index yet; recorded: none. Run make index"):
        index_versions.open_index(settings, CASE)
    deliver(settings, 1, {"a.md": "a list"})
    version = run_index(settings, 1)
    with pytest.raises(ModelError, match=f"no version tomorrow of its index; recorded: {version.name}"):
        index_versions.open_index(settings, CASE, "tomorrow")


def test_an_index_is_not_made_of_other_chunks_than_were_recorded(settings):
    deliver(settings, 1, {"a.md": "a list"})
    version = run_index(settings, 1)
    shutil.rmtree(index_versions.index_folder(settings, CASE))
    deliver(settings, 2, {"b.md": "another"})
    run_index(settings, 2)
    later = type(version)(**(vars(version) | {"as_of": version.as_of + timedelta(days=1), "gold_version": version.gold_version + 1, "name": "x"}))
    with pytest.raises(ModelError, match="does not give the 1 chunks that index version x was recorded with"):
        index_versions.publish_index(settings, CASE, later)


def test_a_filter_leaves_chunks_out_before_the_search_whatever_their_names_hold(settings):
    deliver(settings, 1, {"it's.md": "a list", "b.md": "what is a list"})
    run_index(settings, 1)
    index = index_versions.open_index(settings, CASE)
    where = build_condition("document_id", ["it's.md"])
    assert read(index, index.search_dense(embed([QUESTION])[0], 1, where))["text"].to_list() == ["a list"]
    assert read(index, index.search_text(QUESTION, 1, where))["text"].to_list() == ["a list"]
    assert index.search_text(QUESTION, 1, build_condition("document_id", [])).is_empty()


@pytest.mark.parametrize("question", ["", "the", "'; DROP TABLE chunks; --", '"list" AND (NOT', "list*^~:{}[]", "ф" * 3000])
def test_nothing_in_a_question_is_syntax(settings, question):
    deliver(settings, 1, {"a.md": "a list"})
    run_index(settings, 1)
    rows = index_versions.open_index(settings, CASE).search_text(question, 5)
    assert rows.schema == pl.Schema(vector_index.HIT_SCHEMA)
    assert rows.height == ("list" in question)


def test_scores_are_cosines_less_a_quarter_of_the_crowding_and_the_best_comes_first(settings):
    deliver(settings, 1, {"a.md": "a list", "b.md": "what is a list", "c.md": "something else"})
    run_index(settings, 1)
    index = index_versions.open_index(settings, CASE)
    rows = read(index, index.search_dense(embed([QUESTION])[0], 3))
    texts = embed(rows["text"].to_list())
    expected = (embed([QUESTION]) @ texts.T)[0] - 0.25 * measure_crowding(texts)
    assert rows["score"].to_list() == pytest.approx(expected.tolist(), abs=1e-4)
    assert rows["score"].is_sorted(descending=True)
    assert index.chunk_count == 3


def test_a_short_section_is_found_by_what_stands_beside_it(settings):
    deliver(settings, 1, {"a.md": "no\n\nwhat is a list", "b.md": "no such thing"})
    run_index(settings, 1)
    index = index_versions.open_index(settings, CASE)
    rows = read(index, index.search_dense(embed([QUESTION])[0], 3))
    assert rows["text"].to_list() == ["what is a list", "no", "no such thing"]


def test_words_that_every_question_has_find_nothing(settings):
    deliver(settings, 1, {"a.md": "how can I do what I should", "b.md": "sorting lists"})
    run_index(settings, 1)
    index = index_versions.open_index(settings, CASE)
    assert read(index, index.search_text("How should I sort a list?", 5))["text"].to_list() == ["sorting lists"]


KILLED = """
import os, signal, sys
from pathlib import Path
import lancedb.table
from headrace.llm import index_versions, indexing
from headrace.llm.tokenizing import load_tokenizer
from headrace.settings import load_settings
from tests.llm.small_documents import CASE, at, embed

settings = load_settings("dev", home=Path(sys.argv[1]), variables={})
indexing.load_default = lambda _: load_tokenizer(Path(sys.argv[2]))
names = sys.argv[3].split(".")
owner = {"index": lancedb.table.LanceTable, "tags": lancedb.table.Tags, "stage": indexing}[names[0]]

def die(*args, **kwargs):
    if names[2] == "after":
        original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

original = getattr(owner, names[1])
setattr(owner, names[1], die)
indexing.append_chunks(settings, CASE, as_of=at(2), embed=embed)
index_versions.publish_index(settings, CASE, indexing.record_version(settings, CASE, as_of=at(2)))
"""


# A drill dies at three moments more.
@pytest.mark.long
@pytest.mark.parametrize("moment", ["stage.build_digest.before", "index.add.after", "tags.create.before"])
def test_a_run_that_is_killed_anywhere_leaves_no_version_and_the_next_one_leaves_the_same(settings, tmp_path, moment):
    left, right = index_through_a_death(settings, tmp_path, moment)
    assert_frame_equal(left, right, check_row_order=False)


def index_through_a_death(settings, tmp_path, moment):
    """Versions of an index: of one that died at a moment and was made by the next run, and of one that was made undisturbed."""
    deliver(settings, 1, {"a.md": "a list is mutable\n\na tuple", "b.md": "what is a string"})
    first = run_index(settings, 1)
    before = search(settings)
    deliver(settings, 2, {"a.md": "a list is ordered\n\na tuple", "b.md": None})
    whole = load_settings("dev", home=tmp_path / "whole", variables={})
    shutil.copytree(settings.home / "dev", whole.home / "dev")
    run_index(whole, 2)

    path = write_tokenizer(tmp_path / "tokenizer.json")
    done = subprocess.run([sys.executable, "-c", KILLED, str(settings.home), str(path), moment], cwd=ROOT, check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert vector_index.list_versions(index_versions.index_folder(settings, CASE)) == [first.name]
    assert_same(search(settings, first.name), before)

    run_index(settings, 2)
    assert_same(search(settings), search(whole))
    chunks, other = (tables.read(home, index_versions.chunk_table(CASE)).collect() for home in (settings, whole))
    assert_frame_equal(chunks, other, check_row_order=False)
    left, right = (tables.read(home, index_versions.TABLE).drop("built_at").collect() for home in (settings, whole))
    return left, right


def _publish(home, day, started):
    started.wait()
    settings = load_settings("dev", home=home, variables={})
    index_versions.publish_index(settings, CASE, index_versions.read_versions(settings, CASE)[day - 1])


@pytest.mark.long
def test_of_two_processes_one_works_on_an_index_and_the_other_waits(settings):
    deliver(settings, 1, {"a.md": "a list", "b.md": "another"})
    run_index(settings, 1)
    deliver(settings, 2, {"b.md": None})
    run_index(settings, 2)
    expected = search(settings)
    shutil.rmtree(index_versions.index_folder(settings, CASE))
    spawn = multiprocessing.get_context("spawn")
    started = spawn.Event()
    both = [spawn.Process(target=_publish, args=(settings.home, day, started)) for day in (1, 2)]
    for process in both:
        process.start()
    started.set()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert_same(search(settings), expected)


def test_scores_are_to_the_bit_those_of_a_search_that_reads_all_texts_with_them(settings):
    deliver(settings, 1, {f"{name}.md": f"a list of {name}\n\nwhat is {name}\n\n{'list ' * place}" for place, name in enumerate("bcdefgh", 1)})
    run_index(settings, 1)
    index = index_versions.open_index(settings, CASE)
    vector = embed([QUESTION])[0]
    # Every column of every chunk with the scores, as lancedb has it.
    shown = ["chunk_id", "section_id", "title", "heading_path", "text"]
    asked = np.append(vector, np.float32(1))
    dense = index._table.search(asked, vector_column_name="embedding").distance_type("dot").limit(99).select([*shown, "_distance"]).to_arrow()
    text = index._table.search(MatchQuery(QUESTION, "searched"), query_type="fts").limit(99).select([*shown, "_score"]).to_arrow()
    expected = [
        pl.DataFrame(dense.to_pydict()).with_columns((1.0 - pl.col("_distance").cast(pl.Float64)).alias("score")),
        pl.DataFrame(text.to_pydict()).with_columns(pl.col("_score").cast(pl.Float64).alias("score")),
    ]
    for hits, whole in zip((index.search_dense(vector, 50), index.search_text(QUESTION, 50)), expected, strict=True):
        ordered = whole.sort("score", "chunk_id", descending=[True, False]).select("chunk_id", "section_id", "score", "title", "heading_path", "text")
        assert hits.height == whole.height
        assert_frame_equal(read(index, hits), ordered, check_exact=True)


def test_what_two_deliveries_say_is_in_the_index_once_and_stays_when_one_of_them_goes(settings):
    deliver(settings, 1, {"b.md": "only b\n\nwhat is a list"})
    first = run_index(settings, 1)
    deliver(settings, 2, {"a.md": "only a\n\nwhat is a list"})
    second = run_index(settings, 2)
    deliver(settings, 3, {"a.md": None})
    third = run_index(settings, 3)
    members = [sorted(name.partition("@")[0] for name in search(settings, version.name)[0]["chunk_id"]) for version in (first, second, third)]
    assert members == [["b.md#0", "b.md#1"], ["a.md#0", "a.md#1", "b.md#0"], ["b.md#0", "b.md#1"]]
    repeats = tables.read(settings, "gold.docs_assistant_repeats").collect().to_dicts()
    assert [(row["section_id"], row["duplicate_of"], row["_as_of"]) for row in repeats] == [("b.md#1", "a.md#1", at(2))]
    assert run_index(settings, 2) == second


def test_a_section_whose_neighbour_is_said_elsewhere_is_found_as_in_an_index_that_was_built_at_once(settings):
    deliver(settings, 1, {"b.md": "only b\n\nwhat is a list"})
    run_index(settings, 1)
    deliver(settings, 2, {"a.md": "only a\n\nwhat is a list"})
    run_index(settings, 2)
    updated = search(settings)
    shutil.rmtree(index_versions.index_folder(settings, CASE))
    assert_same(search(settings), updated)
