"""What is watched of an assistant's answers: outcomes, feedback, questions, retrieval, and the grades of a sample."""

from datetime import UTC, datetime

import polars as pl

from headrace.lake import tables
from headrace.llm.feedback_source import FEED
from headrace.llm.monitoring.answered import Answered, read_answers
from headrace.llm.monitoring.outcomes import measure_feedback, measure_outcomes
from headrace.llm.monitoring.question_watch import QuestionWatch
from headrace.llm.monitoring.retrieval_watch import RetrievalWatch
from headrace.monitoring.figures import Figure
from headrace.monitoring.windows import Window
from headrace.registry import history
from headrace.settings import Settings
from headrace.use_case import UseCase


class AnswerWatch:
    """Answers and feedback of some windows, and what their questions and sections are compared with."""

    def __init__(self, settings: Settings, case: UseCase, *, answers: list[Answered], feedback: pl.DataFrame) -> None:
        """Watch these.

        Args:
            settings: The environment.
            case: The assistant.
            answers: Answers, oldest first.
            feedback: Readers' feedback: `given_at` and what `measure_feedback` reads.
        """
        self._answers, self._feedback = answers, feedback
        self._reigns = history.read_reigns(settings, case)
        self._questions, self._retrieval = QuestionWatch(settings, case), RetrievalWatch(settings, case)

    def find_first(self) -> datetime | None:
        """Instant (UTC) of the first answer or piece of feedback."""
        given = self._feedback["given_at"].min()
        instants = [answered.at for answered in self._answers[:1]] + ([given] if isinstance(given, datetime) else [])
        return min(instants).astimezone(UTC) if instants else None

    def measure(self, window: Window) -> list[Figure]:
        """All figures of a window; questions and retrieval by the champion in force at its end."""
        answers = [answered for answered in self._answers if window[0] <= answered.at < window[1]]
        given = self._feedback.filter(pl.col("given_at").is_between(*window, closed="left"))
        reign = next((reign for reign in reversed(self._reigns) if reign.since < window[1]), None)
        return [
            *measure_outcomes(answers),
            *measure_feedback(given),
            *self._questions.measure(answers, reign=reign),
            *self._retrieval.measure(answers, reign=reign, end=window[1]),
        ]


def open_watch(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> AnswerWatch:
    """The watch over what was asked and said after an instant (UTC; None: the first) and until `as_of`."""
    answers = read_answers(settings, case, since=after, until=as_of)
    return AnswerWatch(settings, case, answers=answers, feedback=_read_feedback(settings, case, after=after, as_of=as_of))


def _read_feedback(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> pl.DataFrame:
    """What readers said; what persons answered in the assistant's place is no verdict on it."""
    said = {"given_at": pl.Datetime("us", "UTC"), "rating": pl.String(), "correction": pl.String(), "is_person_asked": pl.Boolean()}
    if FEED not in case.feeds:
        return pl.DataFrame(schema=said)
    rows = tables.read(settings, case.silver_table(FEED)).filter((pl.col("origin") == "reader") & (pl.col("given_at") <= as_of))
    return (rows if after is None else rows.filter(pl.col("given_at") >= after)).select(list(said)).collect()
