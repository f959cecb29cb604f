"""Grades that were given, as rows: who gave them, how far a judge agrees with labels, and which may be shown and used."""

import hashlib

import polars as pl

from headrace.decisions import Decision
from headrace.lake import tables
from headrace.llm.agreement import Agreement, decide_judge, measure_agreement
from headrace.llm.gateway import read_identity
from headrace.llm.prompt_templates import read_prompt
from headrace.llm.rubrics import Judge, Rubric, read_rubrics
from headrace.settings import Settings
from headrace.use_case import UseCase

GRADES = "metrics.rubric_grades"

# How a grade names a worded answer.
SUBJECT = pl.format("{}/{}/{}", "model_id", pl.col("prompt_hash").str.head(12), "question_id").alias("subject")


def read_grades(settings: Settings, case: UseCase, rubric: Rubric) -> pl.DataFrame:
    """Grades by the present version of a rubric, given by its present grader."""
    grader, _ = name_grader(settings, case, rubric)
    is_its = (pl.col("use_case") == case.name) & (pl.col("rubric_version") == rubric.version) & (pl.col("grader") == grader)
    return tables.read(settings, GRADES).filter(is_its).collect()


def name_grader(settings: Settings, case: UseCase, rubric: Rubric) -> tuple[str, str | None]:
    """Who grades a rubric at this moment, and the hash of the prompt that asks; another model or prompt is another grader."""
    if rubric.judge is None:
        return f"rule {rubric.rule}", None
    identity, prompt = read_identity(settings, rubric.judge.alias), read_prompt(case.name, rubric.judge.prompt)
    where = identity.sha256[:12] if identity.sha256 else identity.address
    return f"{identity.model} {where} asked by {prompt.name} {prompt.hash[:12]}", prompt.hash


def name_graders(settings: Settings, case: UseCase) -> str:
    """A short name for all rubrics of a use case with their graders: another rubric or grader is another name."""
    graders = [f"{rubric.version} {name_grader(settings, case, rubric)[0]}" for rubric in read_rubrics(case.name)]
    return hashlib.sha256("\n".join(graders).encode()).hexdigest()[:12]


def measure_judge(settings: Settings, case: UseCase, rubric: Rubric, judge: Judge) -> tuple[Agreement, Decision]:
    """How far the present judge of a rubric agrees with labels, and whether its grades may be shown and used."""
    rows = read_grades(settings, case, rubric).filter(pl.col("subject_kind") == "label").drop_nulls("grade").sort("subject")
    agreement = measure_agreement(rows["label"].to_list(), rows["grade"].to_list(), seed=settings.seed)
    return agreement, decide_judge(agreement, min_kappa=judge.min_kappa, least_labels=judge.least_labels)


def read_trusted_grades(settings: Settings, case: UseCase, rubric: Rubric) -> pl.DataFrame | None:
    """Grades of worded answers, `subject` and `grade`; None where a judge gave them whose agreement with labels is not known to be enough."""
    if rubric.judge is not None and not measure_judge(settings, case, rubric, rubric.judge)[1].passed:
        return None
    return read_grades(settings, case, rubric).filter(pl.col("subject_kind") == "answer").select("subject", "grade")
