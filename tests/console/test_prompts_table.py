"""Prompts are shown on the questions that all of them answered, and against the first one."""

import polars as pl

from headrace.console.prompts_table import render_prompts
from headrace.lake import tables
from tests.llm.worded_chains import build_case
from tests.llm.worded_rows import worded_rows

CASE = build_case()


def write(settings, name: str, rows: pl.DataFrame, *, version: int = 1, prompt: str = "answer") -> None:
    own = rows.with_columns(
        model_version=pl.lit(version, dtype=pl.Int64), prompt=pl.lit(prompt), prompt_hash=pl.lit(prompt), model_id=pl.lit(f"model-{version}")
    )
    tables.append(settings, CASE.table("inference", "worded_answers"), own, batch_id=f"test/docs_assistant/{name}/1")


def test_without_answers_it_says_which_verb_makes_them(settings):
    assert "make evaluate USE_CASE=docs_assistant" in render_prompts(settings, CASE)


def test_each_prompt_has_a_line_on_the_questions_of_all_and_the_others_are_held_against_the_first(settings):
    write(settings, "a", worded_rows(worded=0.5, count=40))
    write(settings, "b", worded_rows(worded=0.2, tokens=600, count=20), prompt="answer_short")
    page = render_prompts(settings, CASE)
    assert "to 20 questions on which no chain was tuned" in page
    assert "| 1 | answer v1 | small | 20 of 20 | 0.500 (" in page
    assert "| 1 | answer_short v1 | small | 20 of 20 | 0.200 (" in page
    assert "answer_short v1 (chain 1) against answer v1 (chain 1), on the 20 questions that both answered: in its words -0.300 (" in page
    assert "tokens times 1.200 (1.200 to 1.200)" in page


def test_a_prompt_that_was_tried_on_a_few_questions_leaves_the_table_of_the_others_as_it_is(settings):
    write(settings, "a", worded_rows(worded=0.5, count=40))
    write(settings, "b", worded_rows(worded=0.2, count=10), prompt="tried")
    page = render_prompts(settings, CASE)
    assert "to 40 questions on which no chain was tuned" in page
    assert "| tried v1 |" not in page
    assert "fewer than half of these questions were put to it: tried v1 (chain 1) 10 of them." in page
    assert "tried v1 (chain 1) against answer v1 (chain 1), on the 10 questions that both answered: in its words -0.300 (" in page


def test_tokens_that_nobody_counted_are_a_dash(settings):
    write(settings, "a", worded_rows(tokens=None))
    assert page_cells(render_prompts(settings, CASE))[-2] == "-"


def test_chains_that_were_asked_other_questions_are_left_out(settings):
    write(settings, "a", worded_rows().with_columns(question_id="old-" + pl.col("question_id")))
    write(settings, "b", worded_rows(), version=2)
    page = render_prompts(settings, CASE)
    assert "| 2 | answer v1" in page
    assert "| 1 | answer v1" not in page


def test_where_no_question_is_common_to_all_the_newest_chain_chooses_with_whom_it_is_compared(settings):
    asked = worded_rows(count=3)
    write(settings, "a", asked[:1])
    write(settings, "b", asked[1:2], version=2)
    write(settings, "c", asked[:2], version=3)
    page = render_prompts(settings, CASE)
    assert "to 1 question on which" in page
    assert [number for number in (1, 2, 3) if f"| {number} | answer v1 |" in page] == [2, 3]


def test_of_a_table_without_a_row_it_says_the_same_as_of_none(settings):
    write(settings, "a", worded_rows()[:0])
    assert "make evaluate USE_CASE=docs_assistant" in render_prompts(settings, CASE)


def test_a_figure_that_no_answer_has_is_a_dash(settings):
    write(settings, "a", worded_rows(grounded=None))
    assert page_cells(render_prompts(settings, CASE))[5] == "-"


def page_cells(page: str) -> list[str]:
    """Cells of the line of the first chain."""
    [line] = [line for line in page.splitlines() if line.startswith("| 1 |")]
    return [cell.strip() for cell in line.strip("|").split("|")]
