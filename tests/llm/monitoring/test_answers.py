"""Outcomes, feedback, retrieval and grades of answers, by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from headrace.llm.monitoring.answered import Answered
from headrace.llm.monitoring.grades import draw_sample, grade_sample
from headrace.llm.monitoring.outcomes import measure_feedback, measure_outcomes
from headrace.llm.monitoring.retrieval_health import find_changed, measure_canaries, measure_index_age, measure_scores, measure_stale
from headrace.models.kinds.assistant import DOES_NOT_KNOW, Quoted, Reply, Worded
from headrace.monitoring.figures import Figure
from tests.llm.tiny_chain import CHAIN, SECTIONS, TinyRetriever

AT = datetime(2026, 3, 1, tzinfo=UTC)
TEXTS = {section.section_id: section.text for section in SECTIONS}
REPLY = replace(CHAIN, pins={"index": "one"}).reply("how does the list sort in place")
DECLINED = Reply(answer=DOES_NOT_KNOW, cited=(), ranked=("dicts#keys",), confidence=0.1, score=0.2, pins={"index": "one"})
BLOCKED = Reply(answer="Please leave that out.", cited=(), ranked=(), confidence=0.0, hits=("question/personal_data",))


def given(*replies: Reply, **more: Any) -> list[Answered]:
    return [Answered(answer_id=f"q-{place}", at=AT, question="?", version=1, reply=reply, **more) for place, reply in enumerate(replies)]


def by_name(figures: list[Figure]) -> dict[tuple[str, str], Figure]:
    return {(figure.name.partition("/")[2], figure.slice_value): figure for figure in figures}


def test_every_answer_has_one_outcome_and_a_guardrail_may_be_met_without_blocking():
    warned = replace(REPLY, hits=("passages/prompt_injection",))
    found = by_name(measure_outcomes(given(REPLY, warned, DECLINED, BLOCKED)))
    assert [found[f"{name}_fraction", "all"].value for name in ("answered", "declined", "blocked", "guardrail")] == [0.5, 0.25, 0.25, 0.5]
    assert found["guardrail_fraction", "question/personal_data"].value == 0.25
    assert found["guardrail_fraction", "passages/prompt_injection"].value == 0.25
    assert found["answer_count", "all"].value == 4


def test_without_answers_every_figure_is_there_and_counts_nothing():
    figures = measure_outcomes([])
    assert {figure.name for figure in figures} == {figure.name for figure in measure_outcomes(given(REPLY))}
    assert {figure.count for figure in figures} == {0}


def test_thumbs_are_counted_among_those_who_gave_one():
    rows = [("up", None, False), ("up", None, False), ("down", "Call sort.", True), (None, None, True)]
    found = by_name(measure_feedback(pl.DataFrame(rows, schema=["rating", "correction", "is_person_asked"], orient="row")))
    assert (found["thumbs_up_fraction", "all"].value, found["thumbs_up_fraction", "all"].count) == (pytest.approx(2 / 3), 3)
    assert (found["corrected_fraction", "all"].value, found["person_asked_fraction", "all"].value) == (0.25, 0.5)


def test_scores_are_of_what_was_searched_for_and_the_bar_is_that_of_the_version():
    found = by_name(measure_scores(given(REPLY, DECLINED, BLOCKED), bars={1: 0.2}))
    assert found["first_score_p50", "all"].count == 2
    assert (found["under_bar_fraction", "all"].value, found["under_bar_fraction", "all"].count) == (0.5, 2)
    unknown = by_name(measure_scores(given(REPLY, DECLINED, BLOCKED), bars={}))["under_bar_fraction", "all"]
    assert (unknown.value, unknown.count, unknown.reason) == (None, 2, "the bar of silence of 2 of 2 answers is not known")


def test_an_answer_is_stale_when_one_of_its_first_sections_is_gone_or_reads_otherwise():
    now = {name: text.replace("hashable", "unique") for name, text in TEXTS.items() if name != "files#open"}
    changed = find_changed(TEXTS, now)
    assert changed == {"files#open", "dicts#keys"}
    figure = measure_stale(given(replace(REPLY, ranked=("lists#sort",)), DECLINED, BLOCKED), {"one": changed}.get)
    assert (figure.value, figure.count) == (0.5, 2)


def test_an_index_version_that_nobody_recorded_leaves_staleness_and_grades_unknown():
    answers = given(REPLY, replace(REPLY, pins={"index": "lost"}))
    stale = measure_stale(answers, {"one": set()}.get)
    assert (stale.value, stale.count, stale.reason) == (None, 2, "the index version of 1 of 2 answers is not recorded")
    assert [(figure.value, figure.count) for figure in grade_sample(answers, {"one": TEXTS})] == [(None, 2)] * 3


def test_an_index_is_as_far_behind_as_its_oldest_missing_change():
    end = AT + timedelta(hours=30)
    figure = measure_index_age([AT + timedelta(hours=20), AT], end=end, count=7)
    assert (figure.value, figure.count) == (30.0, 7)
    assert measure_index_age([], end=end, count=7).value == 0.0


def test_canaries_are_looked_for_in_the_index_that_is_served():
    canaries = pl.DataFrame({"question": ["list sort", "no such words"], "section_id": ["lists#sort", "dicts#keys"]})
    figure = measure_canaries(TinyRetriever(), canaries)
    assert (figure.value, figure.count) == (0.5, 2)


def test_the_sample_is_the_same_whatever_the_order_and_holds_answers_only():
    answers = given(*[REPLY] * 50, DECLINED)
    sample = draw_sample(answers, most=10)
    assert sample == draw_sample(answers[::-1], most=10)
    assert len(sample) == 10
    assert all(answered.reply.is_answered for answered in draw_sample(answers, most=100))


def test_grades_tell_a_made_up_section_a_changed_quote_and_words_that_no_section_holds():
    assert [figure.value for figure in grade_sample(given(REPLY), {"one": TEXTS})] == [1.0, 1.0, 1.0]
    made_up = replace(REPLY, cited=("lists#nowhere",))
    said = replace(REPLY, quotations=(replace(REPLY.quotations[0], text="Lists are sorted by magic."),), answer="Lists are sorted by magic.")
    exist, verbatim, grounded = (figure.value for figure in grade_sample(given(REPLY, made_up, said), {"one": TEXTS}))
    assert (exist, verbatim) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert grounded is not None
    assert grounded < 0.5


def test_quotations_of_code_which_ends_without_a_stop_are_held_by_their_sections():
    texts = {section: f"{section[:4]}_1 = sort(names_{section[:4]})" for section in ("lists#sort", "dicts#keys")}
    quotations = tuple(Quoted(section_id=section, heading_path="", text=text) for section, text in texts.items())
    assert grade_sample(given(replace(REPLY, cited=tuple(texts), quotations=quotations)), {"one": texts})[2].value == 1.0


def test_words_of_a_model_are_graded_without_their_marks_and_quotes_among_them_excuse_nothing():
    (quoted,) = (said.text for said in REPLY.quotations)
    for said, expected in ((f"{quoted} [1]", 1), (f"{quoted} Magic wands sort everything backwards. [1]", 2 / 3)):
        worded = replace(REPLY, answer=said, worded=Worded(is_shown=True, reason=""))
        assert grade_sample(given(worded), {"one": TEXTS})[2].value == pytest.approx(expected)
