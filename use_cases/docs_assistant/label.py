"""The label: the section of the documents that answers a question, or that none does.

A truth that names a section which was deleted, renamed or never there is none: nobody could find it, and a chain that follows its
documents would lose against one that still quotes what is gone. Of questions in the same words the newest truth counts.
"""

import logging
from datetime import timedelta
from functools import cache

import polars as pl

from headrace.features.views import Inputs
from headrace.llm.corpus import keep_newest
from headrace.llm.evaluation_sets import keep_newest_truth
from headrace.models.kinds.assistant import NO_SECTION
from headrace.use_case import Label

logger = logging.getLogger(__name__)

NAME = "answer_section"


def build_label(inputs: Inputs) -> pl.DataFrame:
    """Label every question whose truth somebody knows, and the documents hold.

    Returns:
        `question_id`, `answer_section` (id of a section, or `NO_SECTION` where the documents are known not to answer) and
        `known_at` (UTC). Grain: one row per labelled question.
    """
    truth = pl.when("is_answerable").then("answer_section_id").otherwise(pl.lit(NO_SECTION)).alias(NAME)
    known = inputs["questions"].select("question_id", "question", truth, "known_at").drop_nulls(NAME)
    labels = keep_newest_truth(known).drop("question")
    newest = keep_newest(inputs["document_versions"].lazy()).filter(~pl.col("is_deleted")).collect()
    there = inputs["sections"].join(newest, on=["document_id", "content_hash"], how="semi")["section_id"]
    is_there = pl.col(NAME).is_in([NO_SECTION, *there])
    gone = labels.filter(~is_there)[NAME].sort()
    if len(gone):
        _warn_of_gone(len(gone), gone[0])
    return labels.filter(is_there)


@cache
def _warn_of_gone(count: int, first: str) -> None:
    """Once in a process: every stage builds labels."""
    gone = "questions name a section that the documents do not hold"
    logger.warning("%d %s, as %s; nothing is judged by them until they come again with another", count, gone, first)


LABEL = Label(
    name=NAME,
    description="The section that answers the question. A question that nobody has judged has none.",
    inputs=("questions", "document_versions", "sections"),
    build=build_label,
    # The truth of the reference questions is known with them.
    matures_after=timedelta(0),
)
