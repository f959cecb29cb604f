"""Traces of answers in a real MLflow: each once, with everything that led to the answer."""

import json
from dataclasses import asdict, replace

import pytest
from mlflow import MlflowClient
from mlflow.entities import Trace

from headrace.lake import tables
from headrace.llm import traces
from headrace.llm.model_calls import format_call
from headrace.llm.traces import BATCH_ROWS, TABLE, experiment_name, name_trace, publish_traces
from headrace.models.kinds import load_kind
from headrace.models.kinds.assistant import Worded
from headrace.serving.request_rows import build_frame, requests_table
from headrace.settings import Settings
from tests.llm.test_feedback_loop import NOW, answered
from tests.llm.test_model_calls import CALL
from tests.registry.fixtures import empty_registry, settings
from tests.serving.tiny_assistant import ASSISTANT

__all__ = ["empty_registry", "settings"]


def add_answers(settings: Settings, *request_ids: str, question: str = "how do i sort a list in place?") -> None:
    rows = build_frame([[answered(request_id, question)] for request_id in request_ids], load_kind("assistant"))
    tables.append(settings, requests_table(ASSISTANT.name), rows, batch_id=f"drain/{ASSISTANT.name}/{request_ids[0]}/1")


def read_traces(settings: Settings) -> list[Trace]:
    client = MlflowClient(tracking_uri=settings.registry_uri)
    experiment = client.get_experiment_by_name(experiment_name(settings, ASSISTANT))
    assert experiment is not None
    return list(client.search_traces(locations=[experiment.experiment_id], max_results=500))


def test_a_trace_has_question_sections_answer_and_versions_and_no_personal_data(settings: Settings) -> None:
    add_answers(settings, "a", question="how do i sort a list in place? ada.lovelace@headrace.io")
    assert publish_traces(settings, ASSISTANT, now=NOW) == 1
    (trace,) = read_traces(settings)
    assert (trace.info.trace_id, trace.info.request_time) == (name_trace("a/0"), int(NOW.timestamp() * 1_000))
    answer, retrieve = trace.data.spans
    assert (answer.name, retrieve.name, retrieve.parent_id) == ("answer", "retrieve", answer.span_id)
    assert answer.inputs == {"question": "how do i sort a list in place? [email address removed]"}
    row = answered("a")
    assert answer.outputs["answer"] == row["answer"]
    assert [answer.attributes[name] for name in ("request_id", "model_version", "index_version", "prompt_version")] == ["a/0", 7, "12", "3"]
    assert retrieve.outputs[0]["metadata"] == {"doc_uri": "lists#sort", "heading_path": "Lists > Sorting"}
    assert retrieve.attributes["ranked_sections"] == json.loads(row["ranked_sections"])


def test_a_trace_of_an_answer_in_words_shows_the_prompt_the_model_and_what_it_took(settings: Settings) -> None:
    call = format_call(replace(CALL, alias="chat", model="small", input_token_count=100, output_token_count=20))
    messages = ({"role": "user", "content": "how do i sort a list? ada.lovelace@headrace.io"},)
    worded = Worded(
        is_shown=True, reason="the cited passages hold what it says", messages=messages, said="It sorts the list in place. [1]", calls=(call,)
    )
    row = {**answered("w"), "wording": json.dumps(asdict(worded))}
    tables.append(settings, requests_table(ASSISTANT.name), build_frame([[row]], load_kind("assistant")), batch_id=f"drain/{ASSISTANT.name}/w/1")
    assert publish_traces(settings, ASSISTANT, now=NOW) == 1
    (trace,) = read_traces(settings)
    answer, retrieve, word = trace.data.spans
    assert (word.name, word.parent_id, len({answer.span_id, retrieve.span_id, word.span_id})) == ("word", answer.span_id, 3)
    assert word.inputs == {"messages": [{"role": "user", "content": "how do i sort a list? [email address removed]"}]}
    assert word.outputs == {"role": "assistant", "content": "It sorts the list in place. [1]"}
    assert [word.attributes[name] for name in ("model", "input_token_count", "output_token_count", "is_shown")] == [["small"], [100], [20], True]


def test_each_answer_is_published_once_whatever_came_in_between(settings: Settings) -> None:
    add_answers(settings, *(f"b{number:03}" for number in range(BATCH_ROWS + 5)))
    assert publish_traces(settings, ASSISTANT, now=NOW, limit=3) == 3
    assert publish_traces(settings, ASSISTANT, now=NOW) == BATCH_ROWS + 2
    # It came late, and sorts before all others.
    add_answers(settings, "a")
    assert publish_traces(settings, ASSISTANT, now=NOW) == 1
    assert publish_traces(settings, ASSISTANT, now=NOW) == 0
    assert len(read_traces(settings)) == tables.read(settings, TABLE).collect().height == BATCH_ROWS + 6


def test_a_process_that_dies_before_it_says_what_it_wrote_leaves_one_trace(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    add_answers(settings, "a", "b")

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("killed")

    with monkeypatch.context() as killed:
        killed.setattr(traces.tables, "merge", die)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            publish_traces(settings, ASSISTANT, now=NOW)
    assert len(read_traces(settings)) == 2
    assert publish_traces(settings, ASSISTANT, now=NOW) == 2
    assert len(read_traces(settings)) == 2


def test_without_answers_there_is_nothing_to_publish(settings: Settings) -> None:
    assert publish_traces(settings, ASSISTANT, now=NOW) == 0
