"""Questions about documents of your own: a CSV with the two columns `question` and `answer_section_id` is enough.

What it leaves out is added: an id made of the question, whether it can be answered, and the instants. Chains are tuned on older
questions and judged on newer ones, so instants are made up by a hash, which splits the questions at random, and lie after all that
was taken before, because an instant that is over gets no row any more. A question that came before keeps its own.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from headrace.errors import SourceError
from headrace.lake import tables
from headrace.lake.landing import LandingFolder
from headrace.settings import Settings
from headrace.source import Delivery
from use_cases.docs_assistant.questions import ONE_QUESTION_EVERY, name_question

logger = logging.getLogger(__name__)

QUESTIONS = "questions"

ORIGIN = "delivered with the documents; the time is made up"

_INSTANT = pl.Datetime("us", "UTC")
_MADE_UP = ("asked_at", "known_at")


def deliver_own(settings: Settings, use_case: str, *, after: datetime | None, until: datetime) -> list[Delivery]:
    """The files of the landing folder `<use case>/questions/` that were there at an instant, with what they leave out.

    Args:
        settings: The environment.
        use_case: Name of the use case.
        after: End (UTC) of what was taken before; None: nothing was.
        until: The instant (UTC).

    Raises:
        SourceError: A file is no file of questions, or says of new ones that they were asked at a time that is over.
    """
    folder = LandingFolder(folder=Path(use_case), use_case=use_case).within(settings)
    if not (folder.folder / QUESTIONS).is_dir():
        logger.warning("no questions in %s: documents are indexed, and nothing is promoted that nobody could judge", folder.folder / QUESTIONS)
        return []
    times = {} if after is None else _read_times(settings, use_case, until=after)
    complete = partial(complete_questions, known=times, after=after, until=until)
    return list(replace(folder, complete=complete).deliveries(QUESTIONS, after=after, until=until))


def _read_times(settings: Settings, use_case: str, *, until: datetime) -> dict[str, tuple[datetime, datetime]]:
    """Question -> when it was asked and known (UTC), of all that were taken until an instant.

    What a run that died has taken since is left out, so that the one that goes on makes the same of the files that are left.
    """
    taken = tables.read(settings, f"bronze.{use_case}_{QUESTIONS}").filter(pl.col("_ingested_at") <= until).sort("_ingested_at", "asked_at")
    known = taken.select("question_id", *_MADE_UP).unique("question_id", keep="first", maintain_order=True).collect()
    return {row[0]: row[1:] for row in known.iter_rows()}


def complete_questions(
    rows: pl.DataFrame, arrived_at: datetime, *, known: Mapping[str, tuple[datetime, datetime]], after: datetime | None, until: datetime
) -> pl.DataFrame:
    """The rows of a file with the columns that it leaves out.

    Args:
        rows: As they were read. Grain: one question.
        arrived_at: Instant (UTC) of the file.
        known: Question -> when it was asked and known (UTC), of those that came before.
        after: End (UTC) of what was taken before; made-up instants lie behind it.
        until: Instant (UTC) of the run.

    Raises:
        SourceError: One of the two columns is missing, or a new question has an instant of its own that is over.
    """
    if "question" not in rows.columns or "answer_section_id" not in rows.columns:
        # The contract would ask for all columns, of which two are enough.
        raise SourceError(f"has the columns {', '.join(rows.columns)}; give it question and answer_section_id, separated by commas")
    ids = [name_question(question or "") for question in rows["question"]]
    added = {
        "question_id": pl.Series(ids, dtype=pl.String),
        "answer": pl.repeat(None, rows.height, dtype=pl.String, eager=True),
        "origin": pl.repeat(ORIGIN, rows.height, dtype=pl.String, eager=True),
        "is_answerable": rows["answer_section_id"].is_not_null(),
    }
    named = rows.with_columns(series.alias(name) for name, series in added.items() if name not in rows.columns)
    if "asked_at" in rows.columns:
        _check_not_over(named, known, after)
        return named
    end = arrived_at if after is None or arrived_at > after else until
    times = _make_up(named["question_id"].to_list(), known, after=after, end=end)
    made = {name: pl.Series([pair[place] for pair in times], dtype=_INSTANT) for place, name in enumerate(_MADE_UP)}
    return named.with_columns(series.alias(name) for name, series in made.items())


def _make_up(
    ids: list[str], known: Mapping[str, tuple[datetime, datetime]], *, after: datetime | None, end: datetime
) -> list[tuple[datetime, datetime]]:
    """One an hour up to the end, or closer together where less time is left since what was taken before."""
    new = sorted({name for name in ids if name not in known})
    step = ONE_QUESTION_EVERY if after is None else min(ONE_QUESTION_EVERY, (end - after) / (len(new) + 1))
    made = {name: end - place * step for place, name in enumerate(reversed(new))}
    return [known[name] if name in known else (made[name], made[name]) for name in ids]


def _check_not_over(rows: pl.DataFrame, known: Mapping[str, tuple[datetime, datetime]], after: datetime | None) -> None:
    if after is None:
        return
    asked = rows["asked_at"] if rows.schema["asked_at"].is_temporal() else rows["asked_at"].str.to_datetime("%+", time_zone="UTC", strict=False)
    late = sum(at is not None and at <= after and name not in known for name, at in zip(rows["question_id"], asked, strict=True))
    if late:
        raise SourceError(
            f"{late} new questions have an asked_at until {after:%Y-%m-%d %H:%M}Z, the end of what was taken before, and would never be asked; "
            "leave the columns asked_at and known_at out: instants are made up then"
        )
