"""A prompt that is really worse, put to the real small model, is turned away by what the model made of it."""

from dataclasses import replace

import polars as pl
import pytest

from headrace.lake.runs import build_rows
from headrace.llm.gateway import Gateway
from headrace.llm.model_calls import CallOrigin
from headrace.llm.prompt_templates import PromptTemplate
from headrace.llm.prompts import PromptVersion
from headrace.llm.wording import word_answer
from headrace.llm.wording_gate import GATE, decide_words
from headrace.llm.wording_records import build_record
from headrace.settings import Settings
from tests.llm.models import find_model
from tests.llm.tiny_chain import CHAIN, SECTIONS
from tests.llm.worded_chains import build_case, change_prompt
from tests.llm.worded_rows import CONTRACT

# Three questions to each of the three sections; for one of them nothing is found.
QUESTIONS = (
    "How is a list sorted in place?", "Which method do lists have to sort?", "What sorts the list?",
    "Is every key of a dict hashable?", "What is every key of a dict?", "Which key is hashable?",
    "What gives a file object?", "What does open give?", "Which object is a file object?",
)  # fmt: skip
CASE = build_case(floors={"worded/question_count": 8, "worded/worded_fraction_gain_lower_bound": -0.2})
GOOD = change_prompt(max_tokens=48)
# Whoever wrote it forgot the passages: their number is all that the model learns of them.
WORSE = change_prompt(
    max_tokens=48, user="{{ passages | length }} passages were found.\n\nQuestion: {{ question }}\n\nAnswer in two sentences of your own."
)


def ask(settings: Settings, prompt: PromptTemplate, gateway: Gateway) -> pl.DataFrame:
    """What the small model makes of every question by a prompt, as rows."""
    chain = replace(CHAIN, confidence=replace(CHAIN.confidence, decline_below=0.0))
    version = PromptVersion(name="test", version=1, hash=prompt.hash, template=prompt)
    rows = []
    for place, question in enumerate(QUESTIONS):
        origin = CallOrigin(use_case=CASE.name, purpose="evaluate", request_id=str(place))
        worded = word_answer(chain, question, prompt=version, gateway=gateway, alias="chat", origin=origin)
        named = {"question_id": str(place), "model_version": 1, "model_id": prompt.hash, "prompt": prompt.name, "prompt_version": 1}
        truth = SECTIONS[place // 3]
        rows.append({**named, "prompt_hash": prompt.hash, "model": "small", **build_record(truth.section_id, truth.text, worded)})
    return build_rows(CONTRACT, rows)


@pytest.mark.long
def test_a_prompt_that_forgets_the_passages_is_turned_away_and_the_same_prompt_is_not(settings):
    with Gateway(settings, fetch_model=lambda _, name: find_model(name)) as gateway:
        good, worse = ask(settings, GOOD, gateway), ask(settings, WORSE, gateway)
    turned_away = decide_words(challenger=worse, champion=good, policy=CASE.policy, seed=1)
    assert (turned_away.gate, turned_away.passed) == (GATE, False), turned_away
    assert "worded/worded_fraction_gain_lower_bound" in turned_away.reason
    assert turned_away.evidence["worded/worded_fraction"] < turned_away.evidence["worded/champion_worded_fraction"]
    assert decide_words(challenger=good, champion=good, policy=CASE.policy, seed=1).passed
