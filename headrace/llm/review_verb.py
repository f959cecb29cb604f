"""`make review`: what a person has to decide about, and the decision."""

from datetime import UTC, datetime

from headrace.errors import ReviewError
from headrace.lake.ingestion import append_feed
from headrace.lake.refinement import refine_feed
from headrace.llm.reviews import NO_SECTION, Waiting, append_examples, list_waiting, record_review
from headrace.serving.drain import drain
from headrace.serving.feedback_log import FEED
from headrace.settings import Settings
from headrace.use_case import UseCase

# About two lines of a terminal.
_SHOWN_CHARACTERS = 240


def bring_in(settings: Settings, case: UseCase, *, now: datetime) -> None:
    """Bring the answers and feedback that the server has let go of into the lake, so that a person decides about all there is.

    Nothing else is ingested, and no slice of a flow counts as finished: a replay goes on where it was.

    Raises:
        ReviewError: The use case takes no feedback, or a contract refuses what came.
    """
    if FEED not in case.feeds:
        raise ReviewError(f"{case.name} takes no feedback: it has no feed {FEED}; its feeds are {', '.join(case.feeds)}")
    drain(settings, case)
    for step in (append_feed, refine_feed):
        decision = step(settings, case, FEED, as_of=now).decision
        if not decision.passed:
            raise ReviewError(f"feedback cannot be brought in: {decision.reason}")
    append_examples(settings, case)


def review(
    settings: Settings, case: UseCase, *, feedback_id: str | None, decision: str | None, section: str | None, by: str | None, reason: str | None
) -> str:
    """Record one decision, or list what waits; what to say about it.

    Raises:
        ReviewError: A decision is about no feedback; and see `bring_in` and `headrace.llm.reviews.record_review`.
    """
    if feedback_id is None and (unused := [name for name, value in [("DECISION", decision), ("SECTION", section)] if value]):
        raise ReviewError(
            f"{' and '.join(unused)} without FEEDBACK= decides about nothing; make review USE_CASE={case.name} lists what waits, with its ids"
        )
    now = datetime.now(UTC)
    bring_in(settings, case, now=now)
    if feedback_id is None:
        return render(list_waiting(settings, case), case=case, environment=settings.environment)
    record_review(
        settings, case, feedback_id=feedback_id, decision=decision or "", section=section, by=by or "", reason=reason or "", reviewed_at=now
    )
    return f"recorded: {decision} {feedback_id} by {by}; {len(list_waiting(settings, case))} more wait"


def render(waiting: list[Waiting], *, case: UseCase, environment: str) -> str:
    """What waits, and how to decide about it."""
    if not waiting:
        return f"no feedback about {case.name} waits in {environment}"
    how = f"make review ENV={environment} USE_CASE={case.name} FEEDBACK=<id> DECISION=accept SECTION=<id or {NO_SECTION}> BY=<name> REASON=<why>"
    return "\n\n".join([*map(_render_one, waiting), f"{len(waiting)} waiting, the oldest first. To decide, also with DECISION=reject:\n  {how}"])


def _render_one(waiting: Waiting) -> str:
    row = waiting.feedback
    made = ", ".join(f"{name} {row[f'{name}_version']}" for name in ("model", "index", "prompt") if row[f"{name}_version"] is not None)
    said = ["asks for a person"] * row["is_person_asked"] + [f"thumb {row['rating']}"] * (row["rating"] is not None)
    said += [f"answered by {row['given_by']}"] * (row["given_by"] is not None)
    lines = {
        "question": waiting.question,
        "answered": waiting.answer,
        "quoting": ", ".join(waiting.quoted) or "nothing",
        "said": ", ".join(said) or None,
        "correction": row["correction"],
        "section": row["section_id"],
    }
    told = [f"  {name:<11}{_shorten(text)}" for name, text in lines.items() if text is not None]
    return "\n".join([f"{row['feedback_id']}  {row['given_at']:%Y-%m-%d %H:%M} UTC  ({made})", *told])


def _shorten(text: str) -> str:
    """On one line, without what a terminal would obey."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]} ..."
