"""The card of a chain says all that whoever approves it has to know."""

import polars as pl
import pytest

from headrace import use_case as use_cases
from headrace.decisions import passed
from headrace.llm.chain_candidate import Pins, describe_words
from headrace.llm.chain_card import build_chain_card
from tests.llm.tiny_chain import CHAIN

PROMPT = {"name": "answer_short", "version": 2, "hash": "ab" * 32}
LOCAL = {"alias": "chat", "kind": "local", "model": "small", "address": None, "sha256": "cd" * 32}
REMOTE = {"alias": "large", "kind": "openai", "model": "big", "address": "https://models.example/v1", "sha256": None}
SLICES = pl.DataFrame(schema={"slice_column": pl.String, "slice_value": pl.String, "row_count": pl.Int64, "metric": pl.String, "value": pl.Float64})
SPLIT = passed("split", "fine", {f"{part}_rows": 30 for part in ("train", "validation", "holdout", "unlabelled")})


def pins(prompt, model):
    index = {"index_version": "20230309T080000Z.gold-1"}
    return Pins(retrieval={}, index=index, confidence={}, quoted=3, prompt=prompt, model=model, guardrails={})


@pytest.mark.parametrize(
    ("prompt", "model", "lines"),
    [
        (PROMPT, LOCAL, ["- prompt: `answer_short v2 (abababababab)`", "- model: `small (cdcdcdcdcdcd), behind alias chat`"]),
        (PROMPT, REMOTE, ["- model: `big (https://models.example/v1), behind alias large`"]),
        (None, None, ["It quotes, and words nothing."]),
    ],
)
def test_a_card_names_the_prompt_and_the_model_that_word_the_answers(prompt, model, lines):
    case = use_cases.load("docs_assistant")
    card = build_chain_card(CHAIN.metadata, case=case, split=SPLIT, metrics={}, slices=SLICES, pins=pins(prompt, model))
    assert all(line in card.splitlines() for line in lines), card
    assert describe_words(pins(None, None)) == {}
