"""Champion and challenger word answers to the same questions, each once, and go on where they were."""

from dataclasses import replace

import polars as pl
import pytest

from headrace.lake import tables
from headrace.llm import wording_records
from headrace.llm.model_calls import TABLE as CALLS
from headrace.llm.wording_records import append_wordings, name_slice
from headrace.settings import Settings
from tests.llm import chat_server
from tests.llm.tiny_chain import CHAIN
from tests.llm.worded_chains import BEGIN, HOUR, build_case, build_settings, change_prompt, promote, register_chain, write_questions

NOW = BEGIN + 48 * HOUR
CASE = build_case()
PROMPT, OTHER = change_prompt(), change_prompt(system="You answer at length.")
SORTED = "Lists have a sort method. [1]"


@pytest.fixture(autouse=True)
def tiny_chain(monkeypatch):
    """Whatever a folder pins, its chain is the one of three sections."""
    monkeypatch.setattr(
        wording_records, "load_chain", lambda settings, case, folder: replace(CHAIN, confidence=replace(CHAIN.confidence, decline_below=0.0))
    )


@pytest.fixture
def world(tmp_path, empty_registry):
    """An environment whose champion has a challenger with another prompt, and a server that always answers the same."""
    with chat_server.run(chat_server.answer(SORTED)) as server:
        settings = build_settings(tmp_path, empty_registry, address=server.address)
        write_questions(settings, CASE)
        promote(settings, CASE, register_chain(settings, CASE, tmp_path / "old" / "candidate", prompt=PROMPT, model_id="old"))
        register_chain(settings, CASE, tmp_path / "new" / "candidate", prompt=OTHER, model_id="new", holdout_start=BEGIN + 4 * HOUR)
        yield settings, server


def read(settings: Settings) -> pl.DataFrame:
    return tables.read(settings, CASE.table("inference", "worded_answers")).collect().sort("model_id", "question_id", "prompt_hash")


def test_both_are_asked_what_neither_was_tuned_on_and_every_answer_has_its_grades_and_cost(world):
    settings, server = world
    step = append_wordings(settings, CASE, as_of=NOW, limit=0)
    assert step.decision.passed, step.decision.reason
    rows = read(settings)
    asked = [f"question-{number:02}" for number in range(4, 12)]
    assert {model: part["question_id"].to_list() for (model,), part in rows.group_by("model_id")} == {"old": asked, "new": asked}
    assert dict(rows.select("model_id", "prompt_hash").unique().iter_rows()) == {"old": PROMPT.hash, "new": OTHER.hash}
    assert rows["input_token_count"].to_list() == [chat_server.USAGE["prompt_tokens"]] * 16
    assert (rows["latency_s"] > 0).all()
    # The price of that model is not declared, so nobody knows what it cost.
    assert rows["cost_usd"].null_count() == 16
    of_lists = rows.filter(pl.col("question_id") == "question-06")
    assert of_lists.select("is_worded", "true_section_cited", "grounded_fraction").unique().rows() == [(True, True, 1.0)]
    assert len(server.bodies) == 16


def test_what_was_asked_before_is_not_asked_again(world):
    settings, server = world
    assert append_wordings(settings, CASE, as_of=NOW, limit=2).rows_written == 4
    assert append_wordings(settings, CASE, as_of=NOW, limit=5).rows_written == 10
    assert len(server.bodies) == 10
    first = read(settings)
    append_wordings(settings, CASE, as_of=NOW, limit=5)
    assert (len(server.bodies), read(settings).equals(first)) == (10, True)
    assert tables.read(settings, CALLS).collect().height == 10


@pytest.mark.long
def test_a_model_that_fails_in_the_middle_leaves_what_was_answered_and_is_asked_the_rest(world):
    settings, server = world
    server.replies[:] = [*[chat_server.answer(SORTED)] * 3, chat_server.status(400, {"error": {"message": "no"}}), chat_server.answer(SORTED)]
    broken = append_wordings(settings, CASE, as_of=NOW, limit=0)
    assert not broken.decision.passed
    assert read(settings).height == 3
    assert append_wordings(settings, CASE, as_of=NOW, limit=0).decision.passed
    assert read(settings).select("model_id", "question_id").is_unique().all()
    assert read(settings).height == 16


def test_the_words_of_a_model_that_stood_in_are_not_taken_for_those_of_the_chain(world):
    settings, server = world
    models = {"kind": "openai", "model": "small", "address": server.address}
    falls = Settings.model_validate({**settings.model_dump(), "language_models": {"chat": models | {"fallbacks": ["spare"]}, "spare": models}})
    server.replies[:] = [chat_server.status(500), chat_server.answer(SORTED)]
    step = append_wordings(falls, CASE, as_of=NOW, limit=1)
    assert (step.decision.passed, read(settings).height) == (False, 0)
    assert step.decision.reason.startswith("alias 'spare' answered in the place of 'chat', which version 1 pins")
    # Both calls were made, and paid for.
    assert tables.read(settings, CALLS).collect()["status"].to_list() == ["failed", "answered"]
    assert append_wordings(falls, CASE, as_of=NOW, limit=1).decision.passed


@pytest.mark.long
def test_a_prompt_can_be_tried_with_the_chain_of_the_champion(world):
    settings, server = world
    append_wordings(settings, CASE, as_of=NOW, limit=3, prompt="answer_short")
    tried = read(settings).filter(pl.col("prompt") == "answer_short")
    assert tried["model_id"].to_list() == ["old"] * 3
    assert {body["messages"][0]["content"] for body in server.bodies} >= {change_prompt().system, "You answer at length."}


@pytest.mark.long
def test_a_chain_whose_model_is_another_by_now_is_not_asked(world, tmp_path):
    settings, server = world
    moved = Settings.model_validate({**settings.model_dump(), "language_models": name_model("larger", server.address)})
    step = append_wordings(moved, CASE, as_of=NOW, limit=0)
    assert not step.decision.passed
    assert "version 1 pins another model or prompt than alias 'chat'" in step.decision.reason
    assert "Declare small under 'chat' again, and the other model under an alias of its own" in step.decision.reason
    assert server.bodies == []


def test_another_challenger_or_prompt_is_another_slice(world):
    settings, _ = world
    both = name_slice(settings, CASE, as_of=NOW, limit=None)
    assert both != name_slice(settings, CASE, as_of=NOW, limit=None, prompt="answer_short")
    assert "old-by-" in both
    assert "-and-new-by-" in both
    assert name_slice(settings, CASE, as_of=BEGIN - HOUR, limit=None).endswith("of-nobody-some")


def test_another_judge_is_another_slice_where_judges_are_asked(world):
    settings, server = world
    moved = Settings.model_validate({**settings.model_dump(), "language_models": name_model("larger", server.address)})
    slices = [name_slice(found, CASE, as_of=NOW, limit=0) for found in (settings, settings, moved)]
    assert slices[0] == slices[1] != slices[2]
    # A tick of the lifecycle asks no judge, so it is done whoever that is.
    assert name_slice(settings, CASE, as_of=NOW, limit=None) == name_slice(moved, CASE, as_of=NOW, limit=None)


def name_model(model, address):
    return {"chat": {"kind": "openai", "model": model, "address": address}}
