"""What comes back from those who ask: feedback as a feed of its own, and accepted feedback as more questions with a known answer.

    source=WithFeedback(source=..., use_case="docs_assistant")

Closed segments of the server's log are deliveries; one that bronze holds is removed. An accepted piece of feedback is one delivery of the
feed `questions`. Both are told apart by name, so none is delivered twice and none is missed, whenever it came.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from headrace.errors import SourceError
from headrace.lake import tables
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.llm.reviews import ACCEPT, name_question
from headrace.llm.reviews import TABLE as REVIEWS
from headrace.serving.feedback_log import FEED, feedback_folder, read_rows
from headrace.serving.inference_log import claim, list_segments
from headrace.settings import Settings
from headrace.source import Delivery, PlacedSource, Source

QUESTIONS = "questions"

# What stands in `origin` of a question that came so.
ORIGIN = "feedback"


@dataclass(frozen=True, kw_only=True)
class WithFeedback:
    """A source of documents and questions, and what comes back from those who ask.

    Attributes:
        source: Where everything else comes from.
        use_case: Name of the use case.
        settings: The environment; set by `within`.
    """

    source: Source
    use_case: str
    settings: Settings | None = None

    def within(self, settings: Settings) -> "WithFeedback":
        """The same in an environment."""
        source = self.source.within(settings) if isinstance(self.source, PlacedSource) else self.source
        return replace(self, source=source, settings=settings)

    def around(self, source: Source) -> "WithFeedback":
        """The same around another source: what another environment has ingested, for example. Feedback is that of the own server."""
        return replace(self, source=source)

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """What came for a feed until an instant (UTC), oldest first.

        Raises:
            SourceError: The source was not placed in an environment, or what it holds cannot be read.
            ServingError: A finished line of a segment is not what a server writes.
        """
        if feed not in (FEED, QUESTIONS):
            return self.source.deliveries(feed, after=after, until=until)
        if self.settings is None:
            raise SourceError(f"feedback about {self.use_case} is an environment's: load the use case with load_in")
        if feed == FEED:
            return _deliver_segments(self.settings, self.use_case, until=until)
        return [*self.source.deliveries(feed, after=after, until=until), *_deliver_reviewed(self.settings, self.use_case, until=until)]


def _deliver_segments(settings: Settings, use_case: str, *, until: datetime) -> list[Delivery]:
    """Segments that nobody writes any more and bronze does not have, those with the oldest first feedback first."""
    taken = set(tables.read(settings, f"bronze.{use_case}_{FEED}").select("_source").unique().collect()["_source"])
    found = []
    for path in list_segments(feedback_folder(settings, use_case)):
        with claim(path) as is_closed:
            if not is_closed:
                continue
            rows, origin = read_rows(path), f"{FEED}/{path.name}"
            if origin in taken or rows.is_empty():
                # Bronze is on the disk before the log goes; of an empty one nothing was acknowledged.
                os.sync()
                path.unlink()
                continue
        arrived_at = rows.select(pl.col("given_at").max()).item()
        if arrived_at <= until:
            found.append(Delivery(feed=FEED, slice_name=path.name, arrived_at=arrived_at, origin=origin, read=lambda rows=rows: rows))
    return found


def _deliver_reviewed(settings: Settings, use_case: str, *, until: datetime) -> list[Delivery]:
    """Accepted feedback that is no question yet, oldest first.

    It is asked at the instant of the run that takes it. When it was accepted, the instant of another run may be over already, whose
    features are made: a question that is asked before them would get none, and is not known before it was accepted.
    """
    is_due = (pl.col("use_case") == use_case) & (pl.col("decision") == ACCEPT) & (pl.col("reviewed_at") <= until)
    accepted = tables.read(settings, REVIEWS).filter(is_due).sort("reviewed_at", "feedback_id").collect()
    table = f"bronze.{use_case}_{QUESTIONS}"
    taken = set(tables.read(settings, table).select("question_id").collect()["question_id"])
    schema = {name: dtype for name, dtype in load_contract(table).schema.items() if name not in SYSTEM_COLUMNS}
    found = []
    for review in accepted.iter_rows(named=True):
        question_id = name_question(review["feedback_id"])
        if question_id in taken:
            continue
        row = {
            "question_id": question_id,
            "question": review["question"],
            "asked_at": until,
            "answer_section_id": review["section_id"],
            "answer": review["answer"] if review["section_id"] is not None else None,
            "origin": ORIGIN,
            "is_answerable": review["section_id"] is not None,
            "known_at": until,
        }
        rows = pl.DataFrame([row], schema=schema)
        delivery = Delivery(feed=QUESTIONS, slice_name=question_id, arrived_at=review["reviewed_at"], origin=REVIEWS, read=lambda rows=rows: rows)
        found.append(delivery)
    return found
