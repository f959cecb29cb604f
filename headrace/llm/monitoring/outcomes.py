"""What became of questions, and what readers thought of the answers: shares with intervals."""

from collections.abc import Sequence

import polars as pl

from headrace.llm.monitoring.answered import Answered
from headrace.monitoring.figures import Figure, measure_percentile, measure_share

GUARDRAIL = "guardrail"


def measure_outcomes(answers: Sequence[Answered]) -> list[Figure]:
    """Shares of questions that were answered, declined and blocked, which guardrails blocked something, and how sure the answers were.

    A guardrail that blocks a passage lets the answer go on without it, so more answers may have met one than were blocked.
    """
    count, replies = len(answers), [answered.reply for answered in answers]
    outcomes = [reply.outcome for reply in replies]
    shares = [measure_share(f"answers/{outcome}_fraction", outcomes.count(outcome), count) for outcome in ("answered", "declined", "blocked")]
    met = measure_share("answers/guardrail_fraction", sum(bool(reply.hits) for reply in replies), count)
    names = sorted({hit for reply in replies for hit in reply.hits})
    by_name = [
        measure_share(met.name, sum(name in reply.hits for reply in replies), count, slice_column=GUARDRAIL, slice_value=name) for name in names
    ]
    sure = measure_percentile("answers/confidence_p50_fraction", [reply.confidence for reply in replies], 50)
    return [Figure(name="answers/answer_count", value=float(count), count=count), *shares, met, *by_name, sure]


def measure_feedback(given: pl.DataFrame) -> list[Figure]:
    """What readers said in a window, whatever answers it is about.

    Args:
        given: `rating`, `correction`, `is_person_asked`. Grain: one piece of a reader's feedback.

    Returns:
        Share of thumbs that are up; of all pieces, those with a correction, and with a wish for a person.
    """
    rated = given.drop_nulls("rating")
    return [
        Figure(name="feedback/feedback_count", value=float(given.height), count=given.height),
        measure_share("feedback/thumbs_up_fraction", int((rated["rating"] == "up").sum()), rated.height),
        measure_share("feedback/corrected_fraction", given["correction"].count(), given.height),
        measure_share("feedback/person_asked_fraction", int(given["is_person_asked"].sum()), given.height),
    ]
