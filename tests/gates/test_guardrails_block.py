"""Guardrails: each blocks what it is there for, and blocks when it cannot be loaded, cannot judge or returns no verdict."""

from dataclasses import replace

import numpy as np
import pytest

from headrace.decisions import Decision, passed
from headrace.errors import CandidateError
from headrace.llm.chain_candidate import CHAIN as CHAIN_FILE
from headrace.llm.chain_candidate import Pins, load_chain
from headrace.llm.guardrails import prompt_injection
from headrace.llm.guardrails.guardrail import NOTHING, decide_with
from headrace.llm.guardrails.loading import STAGES, load_guardrails
from headrace.llm.guardrails.prompt_injection import SENTENCES, read_weights
from headrace.llm.index_versions import name_embedding
from headrace.models.candidate import write_json
from headrace.settings import load_settings
from tests.llm.guardrails.configuration import ANSWER, ATTACK, CONFIG, LEAKING, PASSAGE, POISONED, QUESTION, SYSTEM_PROMPT, change
from tests.llm.small_documents import CASE
from tests.llm.tiny_chain import CHAIN, TinyRetriever
from use_cases.docs_assistant.chain import GUARDRAILS as GUARDRAILS_OF_ASSISTANT

GUARDRAILS = [(stage, name) for stage in STAGES for name in CONFIG[stage]]


def ask(config, stage, text=None, *, best_score=0.9, embedding=None):
    """What the guardrails of one stage say about a text, or about one that is in order."""
    guardrails = load_guardrails(config, embedder=read_weights().embedder)
    if stage == "question":
        return guardrails.decide_question(QUESTION if text is None else text, embedding=embedding)
    if stage == "passages":
        return guardrails.decide_passages(QUESTION, [PASSAGE if text is None else text], best_score=best_score)
    return guardrails.decide_answer(ANSWER if text is None else text, passages=[PASSAGE], system_prompt=SYSTEM_PROMPT)


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_in_order_passes(stage):
    checked = ask(CONFIG, stage)
    assert checked.decision.passed, checked.decision.reason
    assert checked.sentence == ""


@pytest.mark.parametrize(
    ("stage", "text", "guardrail"),
    [
        pytest.param("question", "Is ada@analytical.engine.org a valid address?", "personal_data", id="personal data in a question"),
        pytest.param("question", ATTACK, "prompt_injection", id="an attack as a question"),
        pytest.param("passages", POISONED, "prompt_injection", id="a poisoned passage"),
        pytest.param("answer", "Objects are copied by the moon at night.", "grounding", id="an answer that no passage holds"),
        pytest.param("answer", "Yes.", "grounding", id="an answer that says nothing"),
        pytest.param("answer", LEAKING, "leak", id="the system prompt in an answer"),
        pytest.param("answer", f"{ANSWER} Ask ada@analytical.engine.org.", "leak", id="personal data in an answer"),
    ],
)
def test_each_blocks_what_it_is_there_for(stage, text, guardrail):
    checked = ask(CONFIG, stage, text)
    assert not checked.decision.passed
    assert guardrail in {verdict.gate for verdict in checked.verdicts if not verdict.passed}
    assert checked.sentence


def test_off_topic_blocks_where_the_best_passage_is_far():
    checked = ask(CONFIG, "passages", best_score=0.29)
    assert not checked.decision.passed
    assert "off_topic: best passage 0.290, at least 0.300 needed" in checked.decision.reason


@pytest.mark.parametrize("score", [None, float("nan"), "near"])
def test_off_topic_blocks_without_a_score(score):
    assert not ask(CONFIG, "passages", best_score=score).decision.passed


@pytest.mark.parametrize(("stage", "name"), GUARDRAILS)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda config: None, id="nothing"),
        pytest.param(lambda config: {}, id="no threshold"),
        pytest.param(lambda config: {**config, "max_characters": 0}, id="a length of nothing"),
        pytest.param(lambda config: {**config, "stricter": True}, id="a word that nobody knows"),
        pytest.param(lambda config: {**config, "max_characters": "many"}, id="a threshold that is no number"),
    ],
)
def test_a_guardrail_that_fails_to_load_blocks(stage, name, spoil):
    config = {**CONFIG, stage: {**CONFIG[stage], name: spoil(CONFIG[stage][name])}}
    checked = ask(config, stage)
    assert not checked.decision.passed
    assert f"{name}: not loaded" in checked.decision.reason
    assert [fault for fault in load_guardrails(config).faults if fault.startswith(name)]
    assert checked.sentence == "This assistant cannot answer now: a safety check is not available."


@pytest.mark.parametrize(("stage", "name"), GUARDRAILS)
def test_a_guardrail_that_nobody_knows_blocks(stage, name):
    config = {**CONFIG, stage: {**CONFIG[stage], f"{name}s": CONFIG[stage][name]}}
    assert f"{name}s: not loaded: unknown; known: grounding, leak" in ask(config, stage).decision.reason


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("missing", [pytest.param({}, id="empty"), pytest.param(None, id="null"), pytest.param([], id="a list")])
def test_a_stage_without_guardrails_blocks(stage, missing):
    assert "no check ran" in ask({**CONFIG, stage: missing}, stage).decision.reason
    assert "no check ran" in ask({name: found for name, found in CONFIG.items() if name != stage}, stage).decision.reason


@pytest.mark.parametrize("stage", STAGES)
def test_a_misspelt_stage_blocks_all_of_them(stage):
    checked = ask({**CONFIG, "answers": CONFIG["answer"]}, stage)
    assert not checked.decision.passed
    assert "unknown stages answers" in checked.decision.reason


def test_no_passages_block():
    assert not load_guardrails(CONFIG).decide_passages(QUESTION, [], best_score=0.9).decision.passed


def test_an_answer_without_passages_blocks():
    assert not load_guardrails(CONFIG).decide_answer(ANSWER, passages=[], system_prompt="").decision.passed


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("text", [pytest.param(7, id="a number"), pytest.param(b"bytes", id="bytes"), pytest.param(["text"], id="a list")])
def test_what_is_no_text_blocks(stage, text):
    checked = ask(CONFIG, stage, text)
    assert not checked.decision.passed
    assert f"cannot judge {type(text).__name__}, only text" in checked.decision.reason


@pytest.mark.parametrize("stage", STAGES)
def test_a_text_that_is_too_long_blocks(stage):
    checked = ask(CONFIG, stage, "copy " * 5_000)
    assert not checked.decision.passed
    assert "cannot judge 25000 characters, at most" in checked.decision.reason


class Fake:
    """A guardrail that does what it is told."""

    name, sentence, max_characters = "fake", "No.", 100

    def __init__(self, act):
        self.act = act

    def decide(self, text, context):
        return self.act()


def fail(fault):
    raise fault


@pytest.mark.parametrize("fault", [ValueError, KeyError, TypeError, ZeroDivisionError, AttributeError], ids=lambda fault: fault.__name__)
def test_a_guardrail_that_fails_blocks_and_does_not_repeat_what_it_was_given(fault):
    verdict = decide_with(Fake(lambda: fail(fault("ada@analytical.engine.org"))), "ada@analytical.engine.org", NOTHING)
    assert not verdict.passed
    assert verdict.reason == f"{fault.__name__} inside the guardrail, so nothing was judged"


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(None, id="nothing"),
        pytest.param(True, id="only yes"),
        pytest.param(passed("fake", "fine"), id="no score"),
        pytest.param(passed("fake", "fine", {"score": float("nan")}), id="a score that is not a number"),
        pytest.param(passed("fake", "fine", {"score": "low"}), id="a score in words"),
        pytest.param(Decision(gate="fake", passed=None, reason="", evidence={"score": 0.0}), id="neither yes nor no"),
    ],
)
def test_a_guardrail_that_returns_no_verdict_blocks(verdict):
    decided = decide_with(Fake(lambda: verdict), "text", NOTHING)
    assert not decided.passed
    assert "returned no verdict" in decided.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"max_score": 0.5, "weights_sha256": "0" * 64}, "the configuration pins 000", id="other weights than the chain was judged with"),
        pytest.param({"max_score": 0.5}, "belong together", id="a threshold without weights"),
        pytest.param({"weights_sha256": "0" * 64}, "belong together", id="weights without a threshold"),
        pytest.param({"place": "answer"}, "Input should be 'question' or 'document'", id="a place that it does not know"),
    ],
)
def test_a_classifier_that_does_not_fit_blocks(changes, reason):
    checked = ask(change("question", "prompt_injection", **changes), "question")
    assert not checked.decision.passed
    assert reason in checked.decision.reason


@pytest.mark.parametrize(
    "embedding",
    [
        pytest.param(None, id="none"),
        pytest.param(np.zeros(384, dtype=np.float32), id="of no length"),
        pytest.param(np.full(12, 12**-0.5, dtype=np.float32), id="of another embedder"),
        pytest.param(np.full(384, np.nan, dtype=np.float32), id="not a number"),
    ],
)
def test_a_classifier_without_a_fitting_embedding_blocks(with_classifier, embedding):
    checked = ask(with_classifier, "question", embedding=embedding)
    assert not checked.decision.passed
    assert "ValueError inside the guardrail" in checked.decision.reason


def place(score):
    """An embedding that the classifier gives a score near 0 or 1."""
    weights = read_weights().weights
    return weights / np.linalg.norm(weights) * (1 if score else -1)


class Counting(TinyRetriever):
    """Knows how every question is embedded, and counts searches."""

    def __init__(self, embedding):
        self.embedding, self.searched = embedding, 0

    def embed(self, question):
        return self.embedding

    def rank(self, question, *, k, embedding=None):
        assert embedding is self.embedding
        self.searched += 1
        return super().rank(question, k=k)


def test_a_chain_stops_what_only_its_classifier_knows_and_does_not_search_for_it(with_classifier):
    guardrails = load_guardrails(with_classifier, embedder=read_weights().embedder)
    stopped, let_through = Counting(place(1)), Counting(place(0))
    chains = [replace(CHAIN, retriever=retriever, guardrails=guardrails) for retriever in (stopped, let_through)]
    replies = [chain.reply("how do i sort a list in place?") for chain in chains]
    assert (replies[0].answer, replies[0].cited, replies[0].ranked) == (SENTENCES["question"], (), ())
    assert replies[1].cited[0] == "lists#sort"
    assert (stopped.searched, let_through.searched) == (0, 1)


def test_the_assistant_pins_the_classifier_that_is_here_for_the_embedder_of_its_index():
    guardrails = load_guardrails(GUARDRAILS_OF_ASSISTANT, embedder=name_embedding())
    assert guardrails.faults == ()
    assert not guardrails.decide_question(QUESTION, embedding=place(1)).decision.passed
    assert guardrails.decide_question(QUESTION, embedding=place(0)).decision.passed


@pytest.mark.parametrize(
    ("weights", "embedder", "reason"),
    [
        pytest.param("0" * 64, None, "the configuration pins 000", id="other weights than are here"),
        pytest.param(None, "another@0123456789ab/128/text", "fitted on embeddings of all-minilm-l6-v2@", id="an index of another embedder"),
        pytest.param(None, "", "is to be given none", id="an index that does not say its embedder"),
    ],
)
def test_a_chain_whose_classifier_cannot_be_loaded_is_not_loaded(tmp_path, weights, embedder, reason):
    write_chain(tmp_path, weights=weights, embedder=embedder)
    with pytest.raises(CandidateError, match=f"guardrails of .* cannot be loaded: prompt_injection: .*{reason}.*; build the chain again"):
        load_chain(load_settings("dev", home=tmp_path, variables={}), CASE, tmp_path)


def test_a_chain_whose_weights_are_gone_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_injection, "read_weights", lambda: read_weights(tmp_path / "gone.json"))
    write_chain(tmp_path)
    with pytest.raises(CandidateError, match="gone.json cannot be read"):
        load_chain(load_settings("dev", home=tmp_path, variables={}), CASE, tmp_path)


def write_chain(folder, *, weights=None, embedder=None):
    """A chain's file with the guardrails of the assistant."""
    question = GUARDRAILS_OF_ASSISTANT["question"]
    pinned = {**question["prompt_injection"], "weights_sha256": weights or question["prompt_injection"]["weights_sha256"]}
    guardrails = {**GUARDRAILS_OF_ASSISTANT, "question": {**question, "prompt_injection": pinned}}
    index = {"embedder": name_embedding() if embedder is None else embedder}
    pins = Pins(retrieval={}, index=index, confidence={}, quoted=3, prompt=None, model=None, guardrails=guardrails)
    write_json(folder / CHAIN_FILE, vars(pins))


@pytest.fixture
def with_classifier():
    """A configuration with the classifier that the repository has."""
    return change("question", "prompt_injection", max_score=0.9, weights_sha256=read_weights().sha256)
