"""The judging of a challenger's words beside the champion's: rows gathered from registry and lake, handed to the pure gate."""

from dataclasses import replace
from datetime import datetime

import polars as pl

from headrace.decisions import Decision, passed
from headrace.llm.contestants import describe_change, find_contestant, find_holdout_start
from headrace.llm.rubric_grades import SUBJECT, read_trusted_grades
from headrace.llm.rubrics import read_rubrics
from headrace.llm.wording_figures import RUBRIC
from headrace.llm.wording_gate import GATE, decide_words
from headrace.llm.wording_records import list_questions, read_words
from headrace.registry import history, versions
from headrace.registry.bars import WORDED, are_words_missing, read_bars
from headrace.settings import Settings
from headrace.use_case import UseCase


def decide(settings: Settings, case: UseCase, challenger: versions.Version, *, as_of: datetime) -> Decision:
    """Whether what a challenger's model says may take the place of what the champion's says.

    Judged only where the policy bounds worded figures and a prompt, a model or the number of sections shown is new: the words of a
    chain that differs in its index alone are the same model's, and the comparison of replies has judged the index.
    """
    if not read_bars(case.policy, worded=True):
        return passed(GATE, "the policy bounds no answers in a model's words")
    reign = history.read_reign(settings, case, as_of=as_of)
    mine = find_contestant(settings, challenger)
    if reign is None or mine is None:
        return passed(GATE, "there is no champion yet" if reign is None else f"version {challenger.number} quotes, and words nothing")
    champion = find_contestant(settings, versions.read(settings, case, number=reign.version))
    change = describe_change(champion, mine) if champion else f"words by {mine.model['model']} instead of quotations alone"
    if not change:
        return passed(GATE, "prompt, model and number of sections are the champion's")
    contestants = [found for found in (mine, champion) if found is not None]
    unseen = list_questions(settings, case, as_of=as_of, after=find_holdout_start(contestants))["question_id"].to_list()
    rows = [_add_grades(settings, case, read_words(settings, case, found).filter(pl.col("question_id").is_in(unseen))) for found in contestants]
    decision = decide_words(challenger=rows[0], champion=rows[1] if champion else None, policy=case.policy, seed=settings.seed)
    if are_words_missing([decision]):
        place = f"USE_CASE={case.name} ENV={settings.environment}"
        return replace(decision, reason=f"{change}: {decision.reason}; run make evaluate {place}, then make promote {place}")
    return replace(decision, reason=f"{change}: {decision.reason}")


def _add_grades(settings: Settings, case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with a column for each rubric that the policy bounds; of a judge who may not be listened to there is none, so the bar finds no figure."""
    bars = read_bars(case.policy, worded=True)
    for rubric in read_rubrics(case.name):
        column = f"{RUBRIC}{rubric.name}"
        if not any(name.startswith(f"{WORDED}{column}") for name in (*bars.floors, *bars.ceilings)):
            continue
        grades = read_trusted_grades(settings, case, rubric)
        if grades is not None:
            rows = rows.with_columns(SUBJECT).join(grades.rename({"grade": column}), on="subject", how="left").drop("subject")
    return rows
