"""Whether retrieval still holds: how well the first section fits, whether what was found still stands there, whether the index keeps up."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from headrace.llm.chain import Retrieves
from headrace.llm.monitoring.answered import Answered
from headrace.monitoring.figures import Figure, measure_percentile, measure_share

# Depth at which canaries are looked for, and sections of an answer that must still stand.
DEPTH, SHOWN = 10, 3

# Sections that no longer stand as an index version, by its name, holds them; None: nobody knows that version.
FindStale = Callable[[str], Collection[str] | None]


def measure_scores(answers: Sequence[Answered], *, bars: Mapping[int, float]) -> list[Figure]:
    """How well the first sections fit, and the share of answers less sure than their chain's bar of silence.

    Args:
        answers: Of a window.
        bars: Version -> confidence under which its chain says that it does not know; of one that is missing, nobody can tell.
    """
    # What a guardrail stopped was not searched for.
    searched = [answered for answered in answers if answered.reply.ranked]
    scores = [answered.reply.score for answered in searched]
    nothing = sum(not answered.reply.ranked and answered.reply.outcome == "declined" for answered in answers)
    return [
        measure_percentile("retrieval/first_score_p50", scores, 50),
        measure_percentile("retrieval/first_score_p10", scores, 10),
        _measure_under_bar(searched, bars),
        measure_share("retrieval/nothing_found_fraction", nothing, len(answers)),
    ]


def _measure_under_bar(searched: Sequence[Answered], bars: Mapping[int, float]) -> Figure:
    name = "retrieval/under_bar_fraction"
    if unknown := sum(answered.version not in bars for answered in searched):
        reason = f"the bar of silence of {unknown} of {len(searched)} answers is not known"
        return Figure(name=name, value=None, count=len(searched), reason=reason)
    return measure_share(name, sum(answered.reply.confidence < bars[answered.version] for answered in searched), len(searched))


def measure_stale(answers: Sequence[Answered], find_stale: FindStale) -> Figure:
    """Share of answers of which one of the first sections has changed or gone since their index was made."""
    name, searched = "retrieval/stale_fraction", [answered.reply for answered in answers if answered.reply.ranked]
    indexes = [reply.pins.get("index", "") for reply in searched]
    stale = {index: find_stale(index) for index in set(indexes)}
    if unknown := sum(stale[index] is None for index in indexes):
        reason = f"the index version of {unknown} of {len(searched)} answers is not recorded"
        return Figure(name=name, value=None, count=len(searched), reason=reason)
    hits = sum(not set(reply.ranked[:SHOWN]).isdisjoint(stale[index] or ()) for reply, index in zip(searched, indexes, strict=True))
    return measure_share(name, hits, len(searched))


def find_changed(then: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """Sections of a corpus that are gone from a later one, or read otherwise there.

    Args:
        then: Section -> text of the corpus that an index was made of.
        now: The same of the later corpus.
    """
    return {section_id for section_id, text in then.items() if now.get(section_id) != text}


def measure_index_age(changes: Sequence[datetime], *, end: datetime, count: int) -> Figure:
    """Hours that the oldest change of a document has waited for the served index; 0 where the index has them all.

    Args:
        changes: Instants (UTC) of the changes that it lacks.
        end: End of the window (UTC).
        count: Answers that were given from it.
    """
    waited = (end - min(changes, default=end)) / timedelta(hours=1)
    reason = f"{len(changes)} changes of documents since {min(changes):%Y-%m-%d %H:%M}Z are not in the served index" if changes else None
    return Figure(name="retrieval/index_behind_h", value=waited, count=count, reason=reason)


def measure_canaries(retriever: Retrieves, canaries: pl.DataFrame) -> Figure:
    """Share of fixed questions whose section is among the first that are found.

    Args:
        retriever: What answers are found with.
        canaries: `question`, `section_id`. Grain: one question.
    """
    hits = sum(section_id in {found.section_id for found in retriever.rank(question, k=DEPTH)} for question, section_id in canaries.rows())
    return measure_share("retrieval/canary_recall_at_10_fraction", hits, canaries.height)
