"""Answers that were given, by the server or in batches, as monitoring looks at them: what was asked, when, and what was said."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from headrace.lake import tables
from headrace.llm.chain import QUESTION
from headrace.models.kinds import load_kind
from headrace.models.kinds.assistant import Reply, read_columns
from headrace.serving.request_rows import requests_table
from headrace.settings import Settings
from headrace.use_case import UseCase


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One question and its answer.

    Attributes:
        answer_id: Key of its row.
        at: Instant (UTC) at which it was asked.
        question: What was asked.
        version: Registered version that answered.
        reply: What was said.
    """

    answer_id: str
    at: datetime
    question: str
    version: int
    reply: Reply


def read_answers(settings: Settings, case: UseCase, *, since: datetime | None, until: datetime) -> list[Answered]:
    """Answers to what was asked in `since <= at <= until` (UTC), oldest first.

    Args:
        settings: The environment.
        case: The assistant.
        since: Instant (UTC); None: from the first on.
        until: Instant (UTC).
    """
    predictions, served = case.table("inference", "predictions"), requests_table(case.name)
    features = tables.read(settings, case.table("gold", "features")).select(*case.features.key, QUESTION)
    scored = _within(tables.read(settings, predictions), "prediction_at", since=since, until=until).join(features, on=case.features.key, how="left")
    logged = _within(tables.read(settings, served), "requested_at", since=since, until=until)
    (key,) = case.features.key
    found = [_build(row, at=row["prediction_at"], answer_id=row[key], question=row[QUESTION]) for row in scored.collect().iter_rows(named=True)]
    for row in logged.collect().iter_rows(named=True):
        found.append(_build(row, at=row["requested_at"], answer_id=row["request_id"], question=json.loads(row["request"])[QUESTION]))
    return sorted(found, key=lambda answered: (answered.at, answered.answer_id))


def draw_answers(answers: Sequence[Answered], *, most: int) -> list[Answered]:
    """At most so many answers, by a hash of their ids: the same whoever draws them, and nobody can steer an answer into them."""
    return sorted(answers, key=lambda answered: hashlib.sha256(answered.answer_id.encode()).digest())[:most]


def _within(rows: pl.LazyFrame, column: str, *, since: datetime | None, until: datetime) -> pl.LazyFrame:
    rows = rows.filter(pl.col(column) <= until)
    return rows if since is None else rows.filter(pl.col(column) >= since)


def _build(row: Mapping[str, Any], *, at: datetime, answer_id: str, question: str | None) -> Answered:
    reply = read_columns(*(row[name] for name in load_kind("assistant").columns))
    return Answered(answer_id=answer_id, at=at, question=question or "", version=row["model_version"], reply=reply)
