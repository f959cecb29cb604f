"""Answers of which it is known what a judge should say: labels of people from the model hub, or pairs made from known answers."""

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile

import polars as pl

from headrace.errors import ModelError
from headrace.lake import tables
from headrace.llm import hub
from headrace.llm.hub_entries import load_entry
from headrace.settings import Settings
from headrace.use_case import UseCase

# Labels that the use case's own questions give.
TRUE_ANSWERS = "true_answers"

# Columns of labels as PyRIT publishes them.
_ASKED, _SAID, _LABEL = "objective", "assistant_response", "human_score"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """An answer whose grade is known.

    Attributes:
        label_id: Names it within its set; holds no word of it.
        question: What was asked.
        answer: What was answered.
        label: 1: yes, 0: no.
    """

    label_id: str
    question: str
    answer: str
    label: float


def read_labels(settings: Settings, case: UseCase, name: str, *, as_of: datetime, count: int) -> list[Labelled]:
    """At most so many labelled answers of a set, always the same ones.

    Args:
        settings: The environment.
        case: The use case.
        name: `true_answers`, or an entry of the model hub.
        as_of: Instant (UTC) whose questions count.
        count: How many.

    Raises:
        ModelError: The hub has no such labels, or they are not to be had.
    """
    if name == TRUE_ANSWERS:
        known = tables.read(settings, case.silver_table("questions")).filter((pl.col("known_at") <= as_of) & pl.col("is_answerable"))
        return pair_answers(known.drop_nulls("answer").select("question_id", "question", "answer").collect(), count=count)
    if (kind := load_entry(name).kind) != "labels":
        raise ModelError(f"{name} of the model hub is of kind {kind}, and a judge is held against labels; correct `labels` in the rubric")
    return parse_labels(hub.fetch(settings, name).read_text(encoding="utf-8"), name=name, count=count)


def pair_answers(questions: pl.DataFrame, *, count: int) -> list[Labelled]:
    """Each question with its own answer (yes), and with that of another one (no).

    Args:
        questions: `question_id`, `question`, `answer`. Grain: one row per question.
        count: How many, as many of each kind; of an odd number one more yes.
    """
    rows = questions.sort("question_id").head(-(-count // 2)).rows(named=True)
    if len(rows) < 2:
        return []
    own = [_pair(row, row["answer"], kind="own", label=1.0) for row in rows]
    others = [_pair(row, other["answer"], kind="other", label=0.0) for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)]
    return [labelled for pair in zip(own, others, strict=True) for labelled in pair][:count]


def parse_labels(text: str, *, name: str, count: int) -> list[Labelled]:
    """Labels as PyRIT publishes them: CSV behind lines of comment, one answer and a person's 0 or 1 in a row; in an order that a hash makes.

    Raises:
        ModelError: A column is missing, or a label is neither 0 nor 1.
    """
    reader = csv.DictReader(dropwhile(lambda line: line.startswith("#"), io.StringIO(text)))
    if missing := {_ASKED, _SAID, _LABEL} - set(reader.fieldnames or ()):
        raise ModelError(f"labels {name} lack the columns {', '.join(sorted(missing))}; name another entry of the model hub in the rubric")
    rows = list(reader)
    if wrong := sum(row[_LABEL] not in ("0", "1") for row in rows):
        raise ModelError(
            f"labels {name} have {wrong} of {len(rows)} labels that are neither 0 nor 1; name another entry of the model hub in the rubric"
        )
    named = [(hashlib.sha256(f"{row[_ASKED]}\0{row[_SAID]}".encode()).hexdigest()[:16], row) for row in rows]
    # What was labelled twice counts once.
    found = {label_id: Labelled(label_id=label_id, question=row[_ASKED], answer=row[_SAID], label=float(row[_LABEL])) for label_id, row in named}
    return [found[label_id] for label_id in sorted(found)][:count]


def _pair(row: dict[str, str], answer: str, *, kind: str, label: float) -> Labelled:
    return Labelled(label_id=f"{row['question_id']}-{kind}", question=row["question"], answer=answer, label=label)
