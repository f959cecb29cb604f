"""Grades by rubrics, as Markdown: a figure with its interval, and of a judge only beside its measured agreement with labels, or not at all."""

import polars as pl

from headrace.inventory.markdown import render_table
from headrace.llm.intervals import estimate_mean
from headrace.llm.rubric_grades import SUBJECT, measure_judge, read_trusted_grades
from headrace.llm.rubrics import Rubric, read_rubrics
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_interval

_INTRO = (
    "Grades by the rubrics of the use case (0 to 1, mean over the questions above). A judge's grades are shown only where the lower end of its "
    "agreement with labels (Cohen's kappa) reaches the bar of its rubric; else they are neither shown nor used, and answers are not put to it."
)


def name_line(line: pl.DataFrame) -> str:
    """Prompt and chain whose answers these are."""
    return f"{line['prompt'][0]} v{line['prompt_version'][0]} (chain {line['model_version'][0]})"


def render_rubrics(settings: Settings, case: UseCase, lines: list[pl.DataFrame]) -> str:
    """A line per rubric, with a column per chain and prompt.

    Args:
        settings: The environment.
        case: The use case.
        lines: Worded answers by chain and prompt. Grain: one row per question.
    """
    rubrics = read_rubrics(case.name)
    if not rubrics:
        return ""
    header = ("rubric", "graded by", "agreement with labels", *map(name_line, lines))
    return f"{_INTRO}\n\n" + render_table(header, [_render(settings, case, rubric, lines) for rubric in rubrics])


def _render(settings: Settings, case: UseCase, rubric: Rubric, lines: list[pl.DataFrame]) -> tuple[str, ...]:
    grades = read_trusted_grades(settings, case, rubric)
    cells = ["not shown" if grades is None else _measure(grades, line, seed=settings.seed) for line in lines]
    if rubric.judge is None:
        return (rubric.question, "a rule", "", *cells)
    agreement, decision = measure_judge(settings, case, rubric, rubric.judge)
    shares = "" if agreement.yes_fraction is None else f"; it says yes to {agreement.yes_fraction:.0%}, labels to {agreement.label_yes_fraction:.0%}"
    return (rubric.question, f"judge `{rubric.judge.alias}`", f"{decision.reason}{shares}", *cells)


def _measure(grades: pl.DataFrame, line: pl.DataFrame, *, seed: int) -> str:
    found = line.with_columns(SUBJECT).join(grades, on="subject").drop_nulls("grade").sort("subject")
    mean = estimate_mean(found["grade"].to_numpy(), seed=seed)
    return "-" if mean.value is None else f"{format_interval(mean.value, mean.lower, mean.upper)}, n {mean.count}"
