"""The chat schema on the wire: whatever a server sends is an answer or a failure that has a name, never another error."""

import json
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.chat_wire import Failure, explain_status, read_deltas, read_retry_after

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "message", "content", "finish_reason", "usage", "prompt_tokens", "error"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def read(body: bytes, *, is_stream: bool) -> list | Failure:
    try:
        return list(read_deltas([body], is_stream=is_stream))
    except Failure as failure:
        return failure


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_parts_or_a_failure(body, is_stream):
    assert isinstance(read(b"data: " + body if is_stream else body, is_stream=is_stream), list | Failure)


@given(values, st.booleans())
def test_any_json_is_parts_or_a_failure(value, is_stream):
    text = json.dumps(value).encode()
    assert isinstance(read(b"data: " + text + b"\n\n" if is_stream else text, is_stream=is_stream), list | Failure)


@given(st.lists(st.text(max_size=6), min_size=1, max_size=5), st.data())
def test_the_text_is_the_same_wherever_the_packets_are_cut(texts, data):
    events = [{"choices": [{"delta": {"content": text}}]} for text in texts]
    body = b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\r\n\r\n" for event in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert "".join(delta.text for delta in read_deltas(parts, is_stream=True)) == "".join(texts)


@given(st.integers(100, 599), st.binary(max_size=100), st.none() | st.text(max_size=20))
def test_any_refusal_has_a_kind(status, body, retry_after):
    assert explain_status(status, body, retry_after=retry_after).kind


def test_nesting_without_end_is_no_answer():
    assert read(b"[" * 200_000, is_stream=False).kind == "malformed"
    assert explain_status(500, b"[" * 50_000, retry_after=None).kind == "server_error"


def test_a_refusal_that_sends_the_question_back_is_not_repeated():
    body = json.dumps({"detail": [{"loc": ["messages"], "input": "my secret question"}]}).encode()
    assert explain_status(422, body, retry_after=None).message == "HTTP 422"


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": 10**30, "completion_tokens": 2}, {"prompt_tokens": True}, []]
)
def test_usage_that_cannot_be_is_none(usage):
    body = json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}).encode()
    assert read(body, is_stream=False)[0].usage is None


def test_a_wait_is_told_in_seconds_or_as_a_date():
    assert read_retry_after("7") == 7
    assert read_retry_after(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=5)
    assert read_retry_after(formatdate(time.time() - 60, usegmt=True)) == 0
    assert read_retry_after("soon") is None
    assert read_retry_after(None) is None
