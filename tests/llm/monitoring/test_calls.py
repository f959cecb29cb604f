"""Tokens of answers: counted per answer, compared robustly, and a jump names what caused it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from headrace.lake.contracts import load_contract
from headrace.llm.model_calls import TABLE
from headrace.llm.monitoring.calls import RISE, TOKENS, gather_answers, measure_calls, measure_rise
from headrace.llm.monitoring.prompt_changes import ChainReign, explain_change
from headrace.llm.prompt_templates import PromptTemplate
from headrace.monitoring.figures import Figure

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def build_calls(count: int, *, tokens: tuple[int | None, int] = (100, 20), version: int = 1, day: int = 0, **more: Any) -> pl.DataFrame:
    """Calls of one day, one an answer."""
    schema = dict(load_contract(TABLE).schema) | {"at": pl.Datetime("us", "UTC")}
    rows = [
        {
            "use_case": "docs_assistant", "purpose": "answer", "request_id": f"{day}-{version}-{number}", "prompt": "dev.docs_assistant.answer",
            "prompt_version": version, "prompt_hash": f"{version}" * 64, "model": "small", "status": "answered", "cost_usd": 0.001,
            "latency_s": 2.0, "time_to_first_token_s": 1.0, "input_token_count": tokens[0], "output_token_count": tokens[1],
            "called_at": DAY, "at": DAY + timedelta(days=day, minutes=number), **more,
        }
        for number in range(count)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


CHAMPIONS = pl.DataFrame(
    [(DAY - timedelta(days=5), "1" * 64, "small")],
    schema={"since": pl.Datetime("us", "UTC"), "champion_prompt_hash": pl.String, "champion_model": pl.String},
    orient="row",
)


def gather(calls: pl.DataFrame) -> pl.DataFrame:
    return gather_answers(calls, CHAMPIONS)


def nothing(risen: pl.DataFrame, earlier: pl.DataFrame) -> str:
    return "why"


def rise(now: pl.DataFrame, before: pl.DataFrame) -> Figure:
    return measure_rise(gather(now), gather(before), explain=nothing)


def figures_of(calls: pl.DataFrame) -> dict[tuple[str, str], Figure]:
    return {(figure.name, figure.slice_value): figure for figure in measure_calls(calls, gather(calls))}


def test_all_calls_of_an_answer_count_as_one_answer_and_those_of_a_judge_as_none():
    twice = pl.concat([build_calls(1), build_calls(1), build_calls(3, purpose="judge")])
    found = figures_of(twice)
    assert (found[TOKENS, "all"].value, found[TOKENS, "all"].count) == (240.0, 1)
    assert found["calls/cost_per_answer_usd", "all"].value == pytest.approx(0.002)


def test_of_what_an_evaluation_asks_only_the_answers_of_the_champion_count():
    """A challenger with a prompt of three times the length, or a model that says three times as much, is no rise: nobody is answered by it."""
    longer = build_calls(5, version=2, tokens=(300, 20), purpose="evaluate", day=1)
    chattier = build_calls(5, model="large", tokens=(100, 260), purpose="evaluate", day=1)
    asked = pl.concat([build_calls(5, purpose="evaluate", day=1), longer, chattier])
    assert gather(asked).select("prompt_version", "model").unique().rows() == [(1, "small")]
    assert rise(asked, build_calls(5, purpose="evaluate")).value == 0


def test_each_prompt_has_a_figure_of_its_own():
    found = figures_of(pl.concat([build_calls(2), build_calls(2, version=2, tokens=(300, 20))]))
    assert found[TOKENS, "dev.docs_assistant.answer v1, small"].value == 120
    assert found[TOKENS, "dev.docs_assistant.answer v2, small"].value == 320


def test_an_unknown_cost_stays_unknown():
    found = figures_of(pl.concat([build_calls(9), build_calls(1, version=2, cost_usd=None)]))
    assert found["calls/cost_per_answer_usd", "all"].value is None
    assert found["calls/failed_fraction", "all"].value == 0


def test_a_rise_is_that_of_the_prompt_that_takes_most_also_where_it_took_over_at_noon():
    mixed = pl.concat([build_calls(30, day=1), build_calls(10, version=2, tokens=(148, 20), day=1)])
    figure = rise(mixed, build_calls(30))
    assert (figure.name, figure.value) == (RISE, pytest.approx(0.4))
    assert figure.reason == "an answer took 168 tokens, 120 before (medians of 10 and 30); why"


def test_one_answer_that_runs_on_is_no_rise():
    assert rise(pl.concat([build_calls(9, day=1), build_calls(1, day=2, tokens=(100, 2_000))]), build_calls(9)).value == 0


def test_without_enough_before_there_is_nothing_to_compare_and_no_figure():
    figure = rise(build_calls(9, day=1), build_calls(4))
    assert (figure.value, figure.count, figure.reason) == (None, 0, "9 answers, 4 before: 5 of each are compared")


def test_tokens_that_nobody_counted_leave_the_rise_unknown_over_all_answers():
    figure = rise(build_calls(9, day=1, tokens=(None, 20)), build_calls(9))
    assert (figure.value, figure.count, figure.reason) == (None, 9, "the tokens of 9 of 9 answers are not known")


def explain(now: pl.DataFrame, *, reigns: tuple[tuple[int, int, int], ...], with_templates: bool = True) -> str:
    """Why answers of day 1 took more than those of day 0; reigns are (chain, day, prompt)."""
    system = {1: "Answer from the passages.", 2: "Answer from the passages. " + "Think about each of them first. " * 10}
    shared: dict[str, Any] = {
        "name": "answer",
        "description": "Answers.",
        "variables": {},
        "user": "Say it.",
        "output_schema": None,
        "max_tokens": 60,
    }
    templates = {f"{version}" * 64: PromptTemplate(**shared, system=text) for version, text in system.items()}
    chains = [
        ChainReign(version=chain, since=DAY + timedelta(days=day), prompt_hash=f"{prompt}" * 64, model="small") for chain, day, prompt in reigns
    ]
    return explain_change(gather(now), gather(build_calls(9)), reigns=chains, templates=templates if with_templates else {})


LONGER = build_calls(9, version=2, tokens=(300, 30), day=1)


def test_a_prompt_that_changed_is_named_with_its_chains_and_the_part_that_grew():
    assert explain(LONGER, reigns=((3, -5, 1), (4, 1, 2))) == (
        "prompt dev.docs_assistant.answer v1 (111111111111) became dev.docs_assistant.answer v2 (222222222222) when chain version 4 took over from 3 "
        "as of 2026-03-02 00:00Z: what it is told first by +60 words (tokens of the prompt 100 to 300, of the answer 20 to 30)"
    )


def test_a_prompt_whose_texts_or_chains_are_not_known_is_named_all_the_same():
    said = explain(LONGER, reigns=(), with_templates=False)
    assert "answer v1 (111111111111) became dev.docs_assistant.answer v2 (222222222222), first seen 2026-03-02 00:00Z" in said
    assert "the registry does not have both" in said


def test_a_model_that_changed_is_named():
    assert explain(build_calls(9, tokens=(300, 30), day=1, model="large"), reigns=()).startswith("model small became large (")


def test_where_neither_prompt_nor_model_changed_a_new_chain_is_named():
    said = explain(build_calls(9, tokens=(300, 30), day=1), reigns=((3, -5, 1), (4, 1, 1)))
    assert said.startswith("neither prompt nor model changed, but chain version 3 gave way to 4 as of 2026-03-02 00:00Z")


def test_where_nothing_changed_it_says_so():
    said = explain(build_calls(9, tokens=(300, 30), day=1), reigns=((3, -5, 1), (4, 9, 2)))
    assert said.startswith("neither prompt, model nor chain changed: questions, passages or answers grew")
