"""Calls as rows: written once, without a word of what was said."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.lake import tables
from headrace.lake.contracts import load_contract
from headrace.llm.model_calls import TABLE, ModelCall, append_calls, measure_cost_usd

CALL = ModelCall(
    call_id="c-1",
    use_case="docs_assistant",
    purpose="answer",
    request_id="q-1",
    prompt=None,
    prompt_version=None,
    prompt_hash=None,
    asked_at=None,
    asked_alias="chat",
    alias="chat",
    kind="local",
    model="small",
    served_model=None,
    called_at=datetime(2023, 3, 1, tzinfo=UTC),
    latency_s=1.5,
    time_to_first_token_s=0.5,
    input_token_count=100,
    cached_token_count=None,
    output_token_count=20,
    token_source="server",
    cost_usd=0.0,
    attempt_count=1,
    status="answered",
    error_kind=None,
    http_status=200,
    finish_reason="stop",
)
BATCH = "score/docs_assistant/2023-03-01T00:00:00Z/1"


def test_a_call_is_a_row_of_its_contract():
    assert {field.name for field in fields(ModelCall)} == set(load_contract(TABLE).columns)


def test_calls_are_appended_once_per_batch(settings):
    calls = [CALL, replace(CALL, call_id="c-2", request_id="q-2", status="failed", error_kind="timeout", finish_reason=None)]
    assert append_calls(settings, calls, batch_id=BATCH).rows == 2
    # A slice that runs again has called again: other ids, other seconds, maybe another alias in between.
    again = [replace(CALL, call_id="c-3", latency_s=9.0)]
    assert append_calls(settings, again, batch_id=BATCH) is None
    assert sorted(tables.read(settings, TABLE).collect()["call_id"]) == ["c-1", "c-2"]


def test_no_call_is_no_batch(settings):
    assert append_calls(settings, [], batch_id=BATCH) is None
    assert tables.read_version(settings, TABLE) is None


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.floats(0, 100), st.floats(0, 100))
def test_cost_is_tokens_times_price(asked, answered, input_price, output_price):
    cost = measure_cost_usd(input_token_count=asked, output_token_count=answered, input_price=input_price, output_price=output_price)
    assert cost == pytest.approx(asked / 1e6 * input_price + answered / 1e6 * output_price)


@pytest.mark.parametrize("unknown", ["input_token_count", "output_token_count", "input_price", "output_price"])
def test_a_cost_is_unknown_where_one_of_its_factors_is(unknown):
    factors = {"input_token_count": 1, "output_token_count": 1, "input_price": 1.0, "output_price": 1.0}
    assert measure_cost_usd(**factors | {unknown: None}) is None
