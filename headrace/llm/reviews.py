"""A person decides about feedback: what is accepted is a question with a known answer, and an example to tune a model on.

The decision is the row (`metrics.feedback_reviews`), once per piece of feedback. The question (`headrace.llm.feedback_source`) and the
example are projections of it, and whoever comes next finishes what a killed process left.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from headrace.errors import BatchError, ReviewError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import build_row
from headrace.llm.personal_data import mask
from headrace.llm.text_metrics import normalise
from headrace.models.kinds.assistant import ANSWER, DOES_NOT_KNOW, QUOTATIONS
from headrace.serving.feedback_log import PERSON
from headrace.serving.logged_requests import find_requests
from headrace.serving.request_rows import LoggedRow
from headrace.settings import Settings
from headrace.use_case import UseCase

TABLE = "metrics.feedback_reviews"

ACCEPT, REJECT = "accept", "reject"

# What a person says where no section holds the answer.
NO_SECTION = "none"

_LINEAGE = ("feedback_id", "request_id", "model_version", "model_id", "index_version", "prompt_version")


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Feedback that no person has decided about.

    Attributes:
        feedback: Its row in silver.
        question: What had been asked, personal data masked.
        answer: What had been answered.
        quoted: Sections that the answer quotes.
    """

    feedback: Mapping[str, Any]
    question: str
    answer: str
    quoted: tuple[str, ...]


def name_question(feedback_id: str) -> str:
    """Id of the question that accepted feedback becomes."""
    return f"feedback-{feedback_id}"


def list_waiting(settings: Settings, case: UseCase) -> list[Waiting]:
    """Feedback with something to decide about, oldest first: a correction, an answer of a person, a wish for one, or a thumb down.

    Praise alone is not listed, nor a mere wish for a person once one has answered; both can be accepted all the same.
    """
    decided = tables.read(settings, TABLE).filter(pl.col("use_case") == case.name).select("feedback_id").collect()
    is_open = pl.col("correction").is_not_null() | (pl.col("rating") == "down") | pl.col("is_person_asked")
    feedback = tables.read(settings, case.table("silver", "feedback")).filter(is_open).collect()
    by_person = feedback.filter(pl.col("origin") == PERSON)["request_id"].to_list()
    is_mere_wish = pl.col("correction").is_null() & pl.col("rating").ne_missing("down")
    listed = feedback.filter(~(is_mere_wish & pl.col("request_id").is_in(by_person)))
    rows = listed.join(decided, on="feedback_id", how="anti").sort("given_at", "feedback_id").to_dicts()
    answers = find_requests(settings, case, [row["request_id"] for row in rows])
    return [_describe(row, answers[row["request_id"]]) for row in rows if row["request_id"] in answers]


def record_review(
    settings: Settings, case: UseCase, *, feedback_id: str, decision: str, section: str | None, by: str, reason: str, reviewed_at: datetime
) -> None:
    """Write a person's decision, and what follows from it.

    Args:
        settings: The environment.
        case: The use case.
        feedback_id: The feedback.
        decision: `accept` or `reject`.
        section: Section that holds the answer, or `none`; None: the one that the feedback itself names.
        by: The person.
        reason: Why, in that person's words.
        reviewed_at: Clock reading (UTC).

    Raises:
        ReviewError: There is no such feedback, it was decided about in other words, its question was accepted before, the section is unknown or
            missing, or nobody says who or why.
    """
    if decision not in (ACCEPT, REJECT) or not by.strip() or not reason.strip():
        raise ReviewError(f"a review needs DECISION={ACCEPT} or {REJECT}, a person (BY=) and a reason (REASON=); got DECISION={decision!r}")
    feedback, answered = _find(settings, case, feedback_id)
    question = mask(_read_question(answered))[0]
    if decision == ACCEPT:
        _check_new(settings, case, question, feedback_id=feedback_id)
    row = {name: feedback[name] for name in _LINEAGE} | {
        "use_case": case.name,
        "decision": decision,
        "reviewer": by.strip(),
        "reason": reason.strip(),
        "question": question,
        "reviewed_at": reviewed_at,
        **(_find_truth(settings, case, feedback, answered, section) if decision == ACCEPT else {}),
    }
    try:
        tables.append(settings, TABLE, build_row(TABLE, row), batch_id=build_batch_id("review", case.name, feedback_id))
    except BatchError as error:
        raise ReviewError(f"feedback {feedback_id} was decided about before, in other words; the first decision counts, look at {TABLE}") from error
    append_examples(settings, case)


def append_examples(settings: Settings, case: UseCase) -> int:
    """Append the examples of accepted feedback that has none yet.

    Returns:
        Their number.
    """
    table = case.table("gold", "examples")
    mine = tables.read(settings, TABLE).filter((pl.col("use_case") == case.name) & (pl.col("decision") == ACCEPT)).collect()
    missing = mine.join(tables.read(settings, table).select("feedback_id").collect(), on="feedback_id", how="anti")
    for review in missing.sort("reviewed_at", "feedback_id").iter_rows(named=True):
        row = {name: review[name] for name in (*_LINEAGE, "question", "passages", "section_id")}
        answer = review["answer"] if review["section_id"] is not None else DOES_NOT_KNOW
        row |= {"question_id": name_question(review["feedback_id"]), "answer": answer, "known_at": review["reviewed_at"]}
        tables.append(settings, table, build_row(table, row), batch_id=build_batch_id("review", case.name, review["feedback_id"]))
    return missing.height


def _find(settings: Settings, case: UseCase, feedback_id: str) -> tuple[dict[str, Any], LoggedRow]:
    """Feedback, and the answer that it is about."""
    rows = tables.read(settings, case.table("silver", "feedback")).filter(pl.col("feedback_id") == feedback_id).collect().to_dicts()
    answers = find_requests(settings, case, [row["request_id"] for row in rows])
    if not rows or rows[0]["request_id"] not in answers:
        raise ReviewError(f"there is no feedback {feedback_id!r} about {case.name} in {settings.environment}; make review lists what waits")
    return rows[0], answers[rows[0]["request_id"]]


def _check_new(settings: Settings, case: UseCase, question: str, *, feedback_id: str) -> None:
    """Refuse a question that other feedback has become: it would count twice, and one of the two could tune what the other judges."""
    is_other = (pl.col("use_case") == case.name) & (pl.col("decision") == ACCEPT) & (pl.col("feedback_id") != feedback_id)
    for other, accepted in tables.read(settings, TABLE).filter(is_other).select("feedback_id", "question").collect().iter_rows():
        if normalise(accepted) == normalise(question):
            raise ReviewError(
                f"this question was accepted before, with feedback {other}, and would count twice; DECISION={REJECT} takes it off the list"
            )


def _find_truth(settings: Settings, case: UseCase, feedback: Mapping[str, Any], answered: LoggedRow, section: str | None) -> dict[str, Any]:
    """The section that holds the answer, the answer, and the passages that show it."""
    named = section or feedback["section_id"]
    if named is None:
        raise ReviewError(f"say which section answers it: SECTION=<id of a section>, or SECTION={NO_SECTION} where the documents do not say")
    quoted: list[dict[str, Any]] = json.loads(answered[QUOTATIONS])
    if named == NO_SECTION:
        return {"section_id": None, "answer": feedback["correction"], "passages": json.dumps(quoted, ensure_ascii=False)}
    true = _read_section(settings, case, named)
    # The truth stands first; what else was quoted is what a model has to pass over.
    passages = [true, *(passage for passage in quoted if passage["section_id"] != named)]
    return {"section_id": named, "answer": feedback["correction"] or true["text"], "passages": json.dumps(passages, ensure_ascii=False)}


def _read_section(settings: Settings, case: UseCase, section_id: str) -> dict[str, Any]:
    """The newest text of a section."""
    table = case.table("silver", "sections")
    rows = tables.read(settings, table).filter(pl.col("section_id") == section_id).sort("known_at").collect()
    if rows.is_empty():
        raise ReviewError(f"{table} has no section {section_id!r}; take an id that the answer cites, or SECTION={NO_SECTION}")
    return rows.select("section_id", "heading_path", "text").row(-1, named=True)


def _describe(feedback: Mapping[str, Any], answered: LoggedRow) -> Waiting:
    quoted = tuple(passage["section_id"] for passage in json.loads(answered[QUOTATIONS]))
    return Waiting(feedback=feedback, question=mask(_read_question(answered))[0], answer=answered[ANSWER], quoted=quoted)


def _read_question(answered: LoggedRow) -> str:
    question: str = json.loads(answered["request"])["question"]
    return question
