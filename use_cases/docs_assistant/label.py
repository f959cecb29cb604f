"""The label: the section of the documents that answers a question, or that none does."""

from datetime import timedelta

import polars as pl

from headrace.features.views import Inputs
from headrace.models.kinds.assistant import NO_SECTION
from headrace.use_case import Label

NAME = "answer_section"


def build_label(inputs: Inputs) -> pl.DataFrame:
    """Label every question whose truth somebody knows.

    Returns:
        `question_id`, `answer_section` (id of a section, or `NO_SECTION` where the documents are known not to answer) and
        `known_at` (UTC). Grain: one row per labelled question.
    """
    truth = pl.when("is_answerable").then("answer_section_id").otherwise(pl.lit(NO_SECTION)).alias(NAME)
    return inputs["questions"].select("question_id", truth, "known_at").drop_nulls(NAME)


LABEL = Label(
    name=NAME,
    description="The section that answers the question. A question that nobody has judged has none.",
    inputs=("questions",),
    build=build_label,
    # The truth of the reference questions is known with them.
    matures_after=timedelta(0),
)
