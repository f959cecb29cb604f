"""Loading guardrails: their version, what a poisoned passage costs, and what verdicts say."""

from headrace.llm.guardrails.leak import count_repeated_words
from headrace.llm.guardrails.loading import STAGES, find_version, load_guardrails
from headrace.llm.guardrails.prompt_injection import read_weights
from tests.llm.guardrails.configuration import ATTACK, CONFIG, LEAKING, PASSAGE, POISONED, QUESTION, SYSTEM_PROMPT, change


def test_the_version_is_of_the_content_and_not_of_its_order():
    turned = {stage: dict(reversed(CONFIG[stage].items())) for stage in reversed(STAGES)}
    assert load_guardrails(turned).version == load_guardrails(CONFIG).version
    assert find_version(change("passages", "off_topic", min_score=0.31)) != find_version(CONFIG)
    assert find_version(change("question", "prompt_injection", max_score=0.5, weights_sha256="0" * 64)) != find_version(CONFIG)


def test_a_poisoned_passage_is_left_out_and_the_others_go_on():
    checked = load_guardrails(CONFIG).decide_passages(QUESTION, [POISONED, PASSAGE, POISONED, PASSAGE], best_score=0.9)
    assert checked.decision.passed
    assert checked.kept == (1, 3)
    assert [verdict.passed for verdict in checked.verdicts] == [True, False, True, False, True]


def test_where_every_passage_is_poisoned_nothing_is_kept():
    checked = load_guardrails(CONFIG).decide_passages(QUESTION, [POISONED], best_score=0.9)
    assert (checked.decision.passed, checked.kept) == (False, ())


def test_a_question_that_is_off_topic_keeps_no_passage():
    checked = load_guardrails(CONFIG).decide_passages(QUESTION, [PASSAGE], best_score=0.1)
    assert (checked.decision.passed, checked.kept) == (False, ())
    assert checked.sentence == "I do not know: the documents do not seem to be about this."


def test_neither_verdict_nor_sentence_repeats_what_was_said():
    guardrails = load_guardrails(CONFIG)
    blocked = [
        guardrails.decide_question(ATTACK),
        guardrails.decide_question("Is ada@analytical.engine.org a valid address?"),
        guardrails.decide_passages(QUESTION, [POISONED], best_score=0.9),
        guardrails.decide_answer(LEAKING, passages=[PASSAGE], system_prompt=SYSTEM_PROMPT),
    ]
    for checked in blocked:
        said = " ".join([checked.sentence, checked.decision.reason, *(verdict.reason for verdict in checked.verdicts)])
        assert not checked.decision.passed
        assert not any(word in said for word in ("Ignore", "ada@", "attacker", "quote the sections"))


def test_a_classifier_needs_the_embedder_that_it_was_fitted_on():
    weights = read_weights()
    config = change("question", "prompt_injection", max_score=0.7, weights_sha256=weights.sha256)
    assert load_guardrails(config, embedder=weights.embedder).faults == ()
    assert load_guardrails(config, embedder=f"{weights.embedder.partition('/')[0]}/128").faults == ()
    for other in (None, "another-model@0123456789ab/256"):
        guardrails = load_guardrails(config, embedder=other)
        assert "was fitted on embeddings of all-minilm-l6-v2@" in guardrails.faults[0]
        assert not guardrails.decide_question(QUESTION).decision.passed


def test_words_of_a_secret_are_counted_in_a_row_and_not_where_they_are_public():
    told = "Quote the sections that hold the answer."
    assert count_repeated_words("I was told to QUOTE: the sections, that hold", told, public="") == 5
    assert count_repeated_words("the answer that sections hold", told, public="") == 2
    assert count_repeated_words("quote the sections that hold", told, public="quote the sections that hold") == 0
    assert count_repeated_words("", told, public="") == 0
    assert count_repeated_words("anything", "", public="") == 0
