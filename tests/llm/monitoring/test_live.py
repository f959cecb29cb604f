"""An assistant in a real lake and registry, watched: a longer prompt is promoted, answers take more tokens, and the alert names it, once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace import use_case as use_cases
from headrace.decisions import passed
from headrace.lake import runs, tables
from headrace.llm.chain_candidate import CHAIN
from headrace.llm.model_calls import ModelCall, append_calls
from headrace.llm.prompt_templates import PromptTemplate, read_prompt
from headrace.llm.prompts import PromptVersion, register_prompt
from headrace.models.candidate import write_candidate, write_json
from headrace.models.kinds import load_kind
from headrace.monitoring import alerts, live
from headrace.registry import history, versions
from headrace.serving.request_rows import build_frame, requests_table
from headrace.settings import Settings
from tests.llm.test_feedback_loop import answered
from tests.llm.test_model_calls import CALL
from tests.llm.tiny_chain import METADATA
from tests.registry.fixtures import SIGNATURE, empty_registry, settings
from tests.serving.tiny import TINY
from tests.serving.tiny_assistant import ASSISTANT

__all__ = ["empty_registry", "settings"]

CASE = replace(ASSISTANT, policy=use_cases.load("docs_assistant").policy)
DAY = datetime(2026, 3, 1, tzinfo=UTC)
LAST = DAY + timedelta(days=2, hours=1)


def promote(settings: Settings, tmp_path: Path, template: PromptTemplate, *, as_of: datetime) -> PromptVersion:
    """Register a prompt and a chain that pins it, and make that champion."""
    prompt = register_prompt(settings, CASE.name, template)
    folder = tmp_path / prompt.hash / versions.CANDIDATE_FOLDER
    folder.mkdir(parents=True)
    pinned = {"name": prompt.template.name, "version": prompt.version, "hash": prompt.hash}
    confidence = {"slope": 4.0, "intercept": -2.0, "decline_below": 0.2}
    write_json(
        folder / CHAIN,
        {"retrieval": {}, "index": {}, "confidence": confidence, "quoted": 2, "prompt": pinned, "model": None, "guardrails": {}},
    )
    for page in ("card.md", "metrics.json", "explanation.json"):
        (folder / page).write_text("{}", encoding="utf-8")
    write_candidate(folder, METADATA)
    version = versions.register(
        settings, CASE, folder, model_id=prompt.hash, signature=SIGNATURE, params={}, metrics={}, tags={"as_of": "2026-03-01"}, tables={},
        requirements=[],
    )  # fmt: skip
    history.record_verdict(settings, CASE, version, passed("promotion", "better"), as_of=as_of, approver=None)
    return prompt


def answer(settings: Settings, prompt: PromptVersion, *, at: datetime, tokens: int, cost_usd: float | None = 0.0) -> None:
    """Twelve answers to readers, as the gateway's rows have them."""
    calls: list[ModelCall] = [
        replace(
            CALL, call_id=f"{at}-{number}", request_id=f"{at}-{number}", prompt=prompt.name, prompt_version=prompt.version, prompt_hash=prompt.hash,
            called_at=at + timedelta(minutes=number), input_token_count=tokens, output_token_count=20, cost_usd=cost_usd,
        )
        for number in range(12)
    ]  # fmt: skip
    append_calls(settings, calls, batch_id=f"serve/{CASE.name}/{at:%d%H}/1")


def monitor(settings: Settings, *, as_of: datetime) -> list[alerts.Alert]:
    run = runs.begin(settings, CASE.name, "monitor", as_of=as_of)
    live.append_live_figures(settings, CASE, as_of=as_of)
    found = alerts.append_alerts(settings, CASE, as_of=as_of)
    runs.finish(settings, run, passed("monitor", "done"), counts={}, prefect_run_id="")
    return found


def read(settings: Settings, table: str) -> pl.DataFrame:
    rows = tables.read(settings, table).collect()
    return rows.sort(rows.columns)


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Settings:
    """A day with one prompt, and a day on which a longer one took over at noon."""
    short = read_prompt("docs_assistant", "answer")
    longer = short.model_copy(update={"system": short.system + " Think about each passage before you answer." * 12})
    first = promote(settings, tmp_path, short, as_of=DAY - timedelta(days=1))
    second = promote(settings, tmp_path, longer, as_of=DAY + timedelta(days=1, hours=12))
    answer(settings, first, at=DAY + timedelta(hours=1), tokens=300)
    answer(settings, first, at=DAY + timedelta(days=1, hours=1), tokens=300)
    answer(settings, second, at=DAY + timedelta(days=1, hours=13), tokens=460)
    return settings


def test_a_jump_in_tokens_raises_one_alert_that_names_the_prompt_that_caused_it(served: Settings):
    # The day is measured when it has settled, and its first one, which has nothing before it, raises nothing.
    assert monitor(served, as_of=DAY + timedelta(days=1, minutes=4)) == []
    assert monitor(served, as_of=DAY + timedelta(days=1, minutes=5)) == []
    (alert,) = monitor(served, as_of=LAST)
    assert (alert.kind, alert.figure, alert.value) == ("service", "calls/tokens_per_answer_rise_fraction", 0.5)
    assert alert.window == (DAY + timedelta(days=1), DAY + timedelta(days=2))
    for part in (
        "an answer took 480 tokens, 320 before",
        "prompt dev.docs_assistant.answer v1 (",
        "became dev.docs_assistant.answer v2 (",
        "when chain version 2 took over from 1 as of 2026-03-02 12:00Z: what it is told first by +84 words",
        "tokens of the prompt 300 to 460, of the answer 20 to 20",
    ):
        assert part in alert.reason
    assert read(served, alerts.TABLE)["reason"].to_list() == [alert.reason]
    assert monitor(served, as_of=LAST + timedelta(days=1)) == []


def test_a_monitor_that_is_killed_between_any_two_writes_and_run_again_leaves_the_same_tables(served: Settings, monkeypatch: pytest.MonkeyPatch):
    append = tables.append
    for allowed in range(3):
        done = 0

        def die(*arguments: Any, allowed: int = allowed, **options: Any) -> object:
            nonlocal done
            if done == allowed:
                raise KeyboardInterrupt("killed")
            done += 1
            return append(*arguments, **options)

        with monkeypatch.context() as killed:
            killed.setattr(tables, "append", die)
            with pytest.raises(KeyboardInterrupt, match="killed"):
                monitor(served, as_of=LAST)
    (alert,) = monitor(served, as_of=LAST)
    assert "became dev.docs_assistant.answer v2" in alert.reason
    figures, raised = read(served, live.TABLE), read(served, alerts.TABLE)
    keys = ["window_start", "figure", "slice_column", "slice_value"]
    assert not figures.select(keys).is_duplicated().any()
    assert (figures["window_start"].n_unique(), raised.height) == (2, 1)
    # A run that finds all of it done changes nothing.
    live.append_live_figures(served, CASE, as_of=LAST)
    assert_frame_equal(read(served, live.TABLE), figures)


def test_a_cost_that_nobody_knows_is_an_alert_and_not_a_cost_of_nothing(settings: Settings, tmp_path: Path):
    prompt = promote(settings, tmp_path, read_prompt("docs_assistant", "answer"), as_of=DAY)
    answer(settings, prompt, at=DAY + timedelta(hours=1), tokens=300, cost_usd=None)
    (alert,) = monitor(settings, as_of=LAST)
    assert (alert.kind, alert.figure, alert.value, alert.bar) == ("unmeasured", "calls/cost_per_answer_usd", None, 0.01)
    assert "12 of 12 are not known" in alert.reason


def test_refusals_and_slow_answers_break_their_bars_and_what_cannot_be_read_is_said(settings: Settings, tmp_path: Path):
    promote(settings, tmp_path, read_prompt("docs_assistant", "answer"), as_of=DAY)
    blocked = {"answer": "Please leave that out.", "cited_sections": "[]", "quotations": "[]", "ranked_sections": "[]", "first_score": None}
    blocked |= {"guardrail_hits": '["question/personal_data"]', "latency_ms": 4_000.0, "requested_at": (DAY + timedelta(hours=2)).isoformat()}
    rows = [[answered(f"r{number:02}") | blocked | {"model_version": 1}] for number in range(12)]
    tables.append(settings, requests_table(CASE.name), build_frame(rows, load_kind("assistant")), batch_id=f"drain/{CASE.name}/one/1")
    found = {alert.figure: alert for alert in monitor(settings, as_of=LAST)}
    assert found["answers/blocked_fraction"].reason == "answers/blocked_fraction was 1 over 12 rows, at most 0.1 is the bar"
    assert found["service/latency_p95_ms"].value == 4_000
    # The tiny chain's folder holds neither topics nor an index: nobody knows, and nobody may take that for fine.
    assert {alert.figure for alert in found.values() if alert.kind == "unmeasured"} == {
        "questions/topic_p_value", "questions/embedding_p_value", "retrieval/index_behind_h", "retrieval/canary_recall_at_10_fraction",
    }  # fmt: skip
    assert "version 1 cannot be asked" in found["retrieval/canary_recall_at_10_fraction"].reason
    hits = read(settings, live.TABLE).filter(pl.col("slice_column") == "guardrail")
    assert hits.select("figure", "slice_value", "value").rows() == [("answers/guardrail_fraction", "question/personal_data", 1.0)]


def test_traces_are_published_where_the_kind_of_task_has_them_and_once(settings: Settings):
    rows = build_frame([[answered("a")]], load_kind("assistant"))
    tables.append(settings, requests_table(CASE.name), rows, batch_id=f"drain/{CASE.name}/one/1")
    assert [live.publish_traces(settings, case, now=LAST) for case in (CASE, CASE, TINY)] == [1, 0, 0]
