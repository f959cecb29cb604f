"""The questions that an assistant is judged on: one version of a Delta table, as it was known at an instant."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from headrace.lake import tables
from headrace.llm.text_metrics import normalise
from headrace.settings import Settings

# Means with intervals, and what each is made of.
EVALUATIONS, RESULTS = "metrics.retrieval_evaluations", "metrics.evaluation_results"

HOW_TO_DELIVER = "deliver questions with the sections that answer them: docs/own-documents.md"

NOT_MEASURED = (
    "recall, reciprocal rank, nDCG, citation precision and abstention cannot be measured, and weights cannot be tuned, without questions "
    f"whose answer is known; {HOW_TO_DELIVER}. What needs no truth still holds: quotes are verbatim, groundedness, latency"
)


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Questions whose answers are known, or known not to be there.

    Attributes:
        table: Where they are kept.
        version: Version of that table that was read; 0 where nothing was written to it yet.
        rows: `question_id`, `question`, `answer_section_id` (null: no section answers it). Grain: one row per question that can be judged;
            no two of them have the same words.
        unjudged_count: Questions of which nobody has said whether a section answers them.
    """

    table: str
    version: int
    rows: pl.DataFrame
    unjudged_count: int

    @property
    def truth(self) -> pl.DataFrame:
        """`question_id`, `section_id`: the sections that answer."""
        return self.rows.drop_nulls("answer_section_id").select("question_id", pl.col("answer_section_id").alias("section_id"))

    @property
    def unanswerable(self) -> list[str]:
        """`question_id` of the questions that no section answers."""
        return self.rows.filter(pl.col("answer_section_id").is_null())["question_id"].to_list()


def read_evaluation_set(settings: Settings, table: str, *, as_of: datetime) -> EvaluationSet:
    """Read the questions that were known at an instant, in the order of their ids.

    Args:
        settings: The environment.
        table: A table with `question_id`, `question`, `answer_section_id`, `is_answerable` and `known_at`.
        as_of: Instant (UTC) whose knowledge counts.
    """
    version = tables.read_version(settings, table)
    known = tables.read(settings, table, version=version).filter(pl.col("known_at") <= as_of)
    rows = known.select("question_id", "question", "answer_section_id", "is_answerable", "known_at").sort("question_id").collect()
    # Answerable without a section, or nothing said at all: such a question can neither be found nor missed.
    is_judged = pl.col("is_answerable").is_not_null() & (pl.col("is_answerable") == pl.col("answer_section_id").is_not_null())
    judged = rows.filter(is_judged)
    once = keep_newest_truth(judged).drop("is_answerable", "known_at")
    return EvaluationSet(table=table, version=version or 0, rows=once, unjudged_count=rows.height - judged.height)


def keep_newest_truth(questions: pl.DataFrame) -> pl.DataFrame:
    """Each question once: two with the same words would count twice, and one of them could tune what the other judges.

    Args:
        questions: `question_id`, `question`, `known_at` (UTC) and more. Grain: one row per question whose truth somebody knows.

    Returns:
        The rows whose truth was known last, in the order of their ids.
    """
    words = pl.Series("words", [normalise(question) for question in questions["question"]], dtype=pl.String)
    newest = questions.with_columns(words).sort("known_at", "question_id").unique("words", keep="last", maintain_order=True)
    return newest.drop("words").sort("question_id")
