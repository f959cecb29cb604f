"""A chain's retrieval is what its file says, or nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import CandidateError
from headrace.llm.retrieval_config import METHODS, PLAIN_SEARCH, RetrievalConfig, parse_retrieval

TUNED = RetrievalConfig(method="score_fusion", text_weight=0.3, text_saturation=20.0)


@given(st.sampled_from(METHODS), st.floats(0, 1), st.floats(0.1, 100), st.integers(1, 1000))
def test_a_configuration_comes_back_from_json_as_it_was(method, weight, saturation, depth):
    config = RetrievalConfig(method=method, text_weight=weight, text_saturation=saturation, depth=depth)
    assert parse_retrieval(json.loads(json.dumps(config.as_json()))) == config


def test_a_leg_that_counts_nothing_is_not_searched():
    assert TUNED.legs == ("dense", "bm25")
    assert RetrievalConfig(method="score_fusion", text_weight=0.0).legs == ("dense",)
    assert RetrievalConfig(method="score_fusion", text_weight=1.0).legs == ("bm25",)
    assert PLAIN_SEARCH.legs == ("bm25",)
    assert RetrievalConfig(method="rank_fusion").legs == ("dense", "bm25")


@pytest.mark.parametrize("method", METHODS)
def test_shares_of_the_legs_sum_to_one(method):
    assert sum(RetrievalConfig(method=method, text_weight=0.3).leg_shares().values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"text_weight": 1.5},
        {"text_weight": True},
        {"text_weight": float("nan")},
        {"text_saturation": 0.0},
        {"depth": 0},
        {"depth": 2.5},
        {"reranker": "cross-encoder"},
        {"unknown": 1},
    ],
)
def test_a_field_that_cannot_be_is_refused(change):
    with pytest.raises(CandidateError, match="a chain's retrieval"):
        parse_retrieval(TUNED.as_json() | change)


def test_a_missing_field_is_refused_by_name():
    with pytest.raises(CandidateError, match="differs in depth"):
        parse_retrieval({name: value for name, value in TUNED.as_json().items() if name != "depth"})
