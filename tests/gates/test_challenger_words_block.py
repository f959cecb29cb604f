"""What promote makes of a challenger with another prompt: the rows of registry and lake that the gate of words is given."""

import polars as pl
import pytest

from headrace.llm.wording_promotion import decide
from headrace.registry import versions
from headrace.registry.bars import are_words_missing
from tests.llm.worded_chains import BEGIN, HOUR, append_words, build_case, build_settings, change_prompt, promote, register_chain, write_questions
from tests.llm.worded_rows import worded_rows

NOW = BEGIN + 48 * HOUR
PROMPT, LONGER = (
    change_prompt(),
    change_prompt(system="You answer at length."),
)
CASE = build_case(ceilings={"worded/token_count_ratio_upper_bound": 1.25})


@pytest.fixture
def settings(tmp_path, empty_registry):
    found = build_settings(tmp_path, empty_registry, address="http://127.0.0.1:1/v1")
    write_questions(found, CASE)
    return found


def rows(**figures):
    """Answers to the questions of `worded_chains`."""
    return worded_rows(count=12, **figures).with_columns(question_id=pl.format("question-{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(2)))


def register(settings, tmp_path, name, prompt, **more):
    return register_chain(settings, CASE, tmp_path / name / versions.CANDIDATE_FOLDER, prompt=prompt, model_id=name, **more)


def test_a_new_prompt_is_judged_by_what_it_made_of_questions_that_neither_was_tuned_on(settings, tmp_path):
    champion = register(settings, tmp_path, "old", PROMPT)
    promote(settings, CASE, champion)
    challenger = register(settings, tmp_path, "new", LONGER, holdout_start=BEGIN + 2 * HOUR)
    append_words(settings, CASE, champion, PROMPT, rows())

    missing = decide(settings, CASE, challenger, as_of=NOW)
    assert are_words_missing([missing])
    assert missing.reason.startswith("prompt answer v1 -> answer v2: 0 questions answered in a model's words by both, the policy needs 8")
    assert "run make evaluate USE_CASE=docs_assistant ENV=dev, then make promote USE_CASE=docs_assistant ENV=dev" in missing.reason

    # Two of the twelve were asked before its holdout began.
    append_words(settings, CASE, challenger, LONGER, rows(tokens=700))
    dearer = decide(settings, CASE, challenger, as_of=NOW)
    assert (dearer.gate, dearer.passed, dearer.evidence["worded/question_count"]) == ("words", False, 10)
    assert dearer.reason == "prompt answer v1 -> answer v2: worded/token_count_ratio_upper_bound 1.4 is above 1.25"


def test_questions_that_were_not_asked_by_the_instant_do_not_count(settings, tmp_path):
    champion = register(settings, tmp_path, "old", PROMPT)
    promote(settings, CASE, champion)
    challenger = register(settings, tmp_path, "new", LONGER)
    for version, prompt in ((champion, PROMPT), (challenger, LONGER)):
        append_words(settings, CASE, version, prompt, rows())
    assert decide(settings, CASE, challenger, as_of=NOW).passed
    assert "5 questions answered" in decide(settings, CASE, challenger, as_of=BEGIN + 4 * HOUR).reason


def test_answers_to_another_prompt_are_not_taken_for_its_own(settings, tmp_path):
    champion = register(settings, tmp_path, "old", PROMPT)
    promote(settings, CASE, champion)
    challenger = register(settings, tmp_path, "new", LONGER)
    append_words(settings, CASE, champion, PROMPT, rows())
    append_words(settings, CASE, challenger, PROMPT, rows())
    assert are_words_missing([decide(settings, CASE, challenger, as_of=NOW)])


def test_what_says_nothing_new_is_not_judged_by_words(settings, tmp_path):
    champion = register(settings, tmp_path, "old", PROMPT)
    assert "no champion yet" in decide(settings, CASE, champion, as_of=NOW).reason
    promote(settings, CASE, champion)
    other_index = register(settings, tmp_path, "other-index", PROMPT)
    assert "are the champion's" in decide(settings, CASE, other_index, as_of=NOW).reason
    quoting = register(settings, tmp_path, "quoting", None)
    assert "words nothing" in decide(settings, CASE, quoting, as_of=NOW).reason
    assert all(decide(settings, CASE, version, as_of=NOW).passed for version in (other_index, quoting))
    unbound = build_case(floors={}, ceilings={})
    assert decide(settings, unbound, register(settings, tmp_path, "new", LONGER), as_of=NOW).passed


def test_more_sections_in_the_prompt_and_words_after_quotations_are_judged(settings, tmp_path):
    champion = register(settings, tmp_path, "quoting", None)
    promote(settings, CASE, champion)
    first = register(settings, tmp_path, "first", PROMPT)
    assert decide(settings, CASE, first, as_of=NOW).reason.startswith("words by small instead of quotations alone: 0 questions")
    append_words(settings, CASE, first, PROMPT, rows())
    assert decide(settings, CASE, first, as_of=NOW).passed
    assert decide(settings, CASE, register(settings, tmp_path, "more", PROMPT, quoted=6), as_of=NOW).reason.startswith("words by small")
