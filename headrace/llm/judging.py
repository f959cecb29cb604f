"""Grades as rows: rules grade worded answers, judges first labelled answers and then, where they agree with the labels, worded ones.

Each grade is given once and kept before the next is asked for, so that whatever was stopped goes on where it was.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from headrace.decisions import Decision, blocked, decide_all, passed
from headrace.errors import GatewayError, PromptError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import Step, build_rows
from headrace.llm.agreement import GATE
from headrace.llm.gateway import Gateway
from headrace.llm.judge_labels import read_labels
from headrace.llm.model_calls import CallOrigin, append_calls, append_failed_calls
from headrace.llm.prompt_templates import parse_answer, read_prompt, render_prompt
from headrace.llm.prompts import PromptVersion, register_prompt
from headrace.llm.rubric_grades import GRADES, SUBJECT, measure_judge, name_grader, read_grades
from headrace.llm.rubric_rules import RULES
from headrace.llm.rubrics import Judge, Rubric, read_rubrics
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)
progress = logging.getLogger("headrace.progress")

FLOW = "llm_evaluate"

# Characters of an answer that a judge reads; its prompt declares as many.
_READ_CHARACTERS = 800


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An answer to be judged.

    Attributes:
        kind: `answer` or `label`.
        name: Names it; holds no word of it.
        question: What was asked.
        answer: What was answered.
        label: What the grade should be; None: nobody knows.
    """

    kind: str
    name: str
    question: str
    answer: str
    label: float | None


def append_grades(settings: Settings, case: UseCase, *, as_of: datetime, with_judges: bool) -> Step:
    """Grade the worded answers of a use case by its rubrics.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Instant (UTC) whose questions make labels.
        with_judges: Whether judges are asked, which takes some seconds for each label and answer; rules always grade.
    """
    table = case.table("inference", "worded_answers")
    answers = tables.read(settings, table).with_columns(SUBJECT).collect()
    texts = tables.read(settings, case.silver_table("questions")).select("question_id", "question").collect()
    answers = answers.join(texts.unique("question_id"), on="question_id", how="left").sort("subject")
    rubrics = [rubric for rubric in read_rubrics(case.name) if with_judges or rubric.judge is None]
    decisions = []
    # Rules take no time, so they do not wait for judges.
    for rubric in sorted(rubrics, key=lambda found: found.judge is not None):
        graded = answers if rubric.applies_to == "all" else answers.filter("is_answered")
        if rubric.judge is None:
            decisions.append(_grade_by_rule(settings, case, rubric, graded))
        else:
            decisions.append(_grade_by_judge(settings, case, rubric, rubric.judge, graded, as_of=as_of))
    faults = [decision for decision in decisions if not decision.passed]
    reason = "; ".join(decision.reason for decision in decisions) or "no rubric was graded"
    # Counted in the table, so that a run that goes on where another was stopped counts all of it.
    written = sum(read_grades(settings, case, rubric).height for rubric in rubrics)
    return Step(decision=decide_all("rubrics", faults) if faults else passed("rubrics", reason), rows_read=answers.height, rows_written=written)


def _grade_by_rule(settings: Settings, case: UseCase, rubric: Rubric, answers: pl.DataFrame) -> Decision:
    due = _leave_out_graded(settings, case, rubric, answers)
    rows = [_build_grade(settings, case, rubric, "answer", row["subject"], None, RULES[rubric.rule or ""](row)) for row in due.iter_rows(named=True)]
    if rows:
        digest = hashlib.sha256("\n".join(due["subject"]).encode()).hexdigest()[:16]
        _append(settings, case, rubric, rows, slice_name=digest)
    return passed(rubric.name, f"{rubric.name}: {answers.height} graded by a rule")


def _grade_by_judge(settings: Settings, case: UseCase, rubric: Rubric, judge: Judge, answers: pl.DataFrame, *, as_of: datetime) -> Decision:
    """Labels first; answers only where they show that the judge can be listened to."""
    labels = read_labels(settings, case, judge.labels, as_of=as_of, count=judge.least_labels)
    subjects = [
        Subject(kind="label", name=f"{judge.labels}/{found.label_id}", question=found.question, answer=found.answer, label=found.label)
        for found in labels
    ]
    try:
        _ask_all(settings, case, rubric, judge, subjects, as_of=as_of)
        _, decision = measure_judge(settings, case, rubric, judge)
        if not decision.passed:
            return passed(rubric.name, f"{rubric.name}: the judge is not listened to, {decision.reason}")
        shown = answers.select("subject", "question", "answer").rows()
        subjects = [Subject(kind="answer", name=name, question=question, answer=answer, label=None) for name, question, answer in shown]
        _ask_all(settings, case, rubric, judge, subjects, as_of=as_of)
    except GatewayError as error:
        append_failed_calls(settings, error.calls, flow=FLOW, use_case=case.name)
        return blocked(GATE, str(error))
    return passed(rubric.name, f"{rubric.name}: {answers.height} graded by a judge, {decision.reason}")


def _ask_all(settings: Settings, case: UseCase, rubric: Rubric, judge: Judge, subjects: Sequence[Subject], *, as_of: datetime) -> None:
    """Ask about each that has no grade yet."""
    graded = set(read_grades(settings, case, rubric)["subject"])
    due = [subject for subject in subjects if subject.name not in graded]
    if not due:
        return
    prompt = register_prompt(settings, case.name, read_prompt(case.name, judge.prompt))
    with Gateway(settings) as gateway:
        for place, subject in enumerate(due, start=1):
            grade = _ask(settings, case, rubric, judge, subject, prompt=prompt, gateway=gateway, as_of=as_of)
            row = _build_grade(settings, case, rubric, subject.kind, subject.name, subject.label, grade)
            _append(settings, case, rubric, [row], slice_name=subject.name)
            if place % 10 == 0 or place == len(due):
                progress.info("%s of %s %ss judged by rubric %s", place, len(due), subject.kind, rubric.name)


def _ask(
    settings: Settings, case: UseCase, rubric: Rubric, judge: Judge, subject: Subject, *, prompt: PromptVersion, gateway: Gateway, as_of: datetime
) -> float | None:
    """A judge's grade; None where the text could not be put to it, it was cut off, or it said neither yes nor no."""
    try:
        asked = {"question": subject.question, "answer": subject.answer[:_READ_CHARACTERS]}
        rendered = render_prompt(prompt.template, asked)
    except PromptError:
        logger.info("subject %s of rubric %s cannot be put to a judge", subject.name, rubric.name)
        return None
    origin = CallOrigin(
        use_case=case.name,
        purpose="judge",
        request_id=subject.name,
        prompt=prompt.name,
        prompt_version=prompt.version,
        prompt_hash=prompt.hash,
        asked_at=as_of,
    )
    completion = gateway.complete(
        judge.alias, rendered.messages, origin=origin, max_tokens=rendered.max_tokens, stop=rendered.stop, output_schema=rendered.output_schema
    )
    append_calls(settings, completion.calls, batch_id=_name_batch(settings, case, rubric, subject.name))
    # Another model that stood in is not the judge whose agreement was measured.
    if completion.call.alias != judge.alias:
        raise GatewayError(f"alias {completion.call.alias!r} answered in the place of judge {judge.alias!r}; give it no fallbacks", calls=())
    try:
        return {"yes": 1.0, "no": 0.0}.get(parse_answer(prompt.template, completion.text))
    except PromptError:
        return None


def _leave_out_graded(settings: Settings, case: UseCase, rubric: Rubric, answers: pl.DataFrame) -> pl.DataFrame:
    return answers.filter(~pl.col("subject").is_in(read_grades(settings, case, rubric)["subject"].to_list()))


def _build_grade(
    settings: Settings, case: UseCase, rubric: Rubric, kind: str, subject: str, label: float | None, grade: float | None
) -> dict[str, object]:
    grader, prompt_hash = name_grader(settings, case, rubric)
    return {
        "use_case": case.name,
        "rubric": rubric.name,
        "rubric_version": rubric.version,
        "grader": grader,
        "prompt_hash": prompt_hash,
        "subject_kind": kind,
        "subject": subject,
        "label": label,
        "grade": grade,
        "graded_at": datetime.now(UTC),
    }


def _append(settings: Settings, case: UseCase, rubric: Rubric, rows: Iterable[dict[str, object]], *, slice_name: str) -> None:
    tables.append(settings, GRADES, build_rows(GRADES, list(rows)), batch_id=_name_batch(settings, case, rubric, slice_name))


def _name_batch(settings: Settings, case: UseCase, rubric: Rubric, slice_name: str) -> str:
    grader, _ = name_grader(settings, case, rubric)
    digest = hashlib.sha256(grader.encode()).hexdigest()[:12]
    return build_batch_id(FLOW, case.name, f"{rubric.name}-{rubric.version}-by-{digest}-{slice_name}")
