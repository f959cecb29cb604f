"""Which feedback was given before: in the log, read on from where the last look ended, so that no look takes longer than what came since."""

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from headrace.lake import tables
from headrace.serving.feedback_log import FEED, SAID, feedback_folder, fingerprint
from headrace.serving.inference_log import list_segments, parse_lines
from headrace.settings import Settings
from headrace.use_case import UseCase


@dataclass
class _Segment:
    """How far a segment was read, and the fingerprint of each piece of feedback in it, by id."""

    byte_count: int = 0
    line_count: int = 0
    fingerprints: dict[str, str] = field(default_factory=dict)


class FeedbackIndex:
    """Finds feedback by its id, whichever server took it. Used by one thread at a time."""

    def __init__(self, settings: Settings, case: UseCase) -> None:
        """Prepare; nothing is read before the first look."""
        self._settings, self._case = settings, case
        self._segments: dict[Path, _Segment] = {}

    def find(self, feedback_id: str) -> str | None:
        """The fingerprint of what was said under an id; None: nothing was.

        Raises:
            ServingError: A finished line of the log is not what a server writes.
        """
        # The log first: a segment goes only when its rows are in bronze, so one of the two has them.
        paths = list_segments(feedback_folder(self._settings, self._case.name))
        self._segments = {path: _read_on(path, self._segments.get(path, _Segment())) for path in paths}
        logged = next((found for segment in self._segments.values() if (found := segment.fingerprints.get(feedback_id))), None)
        return logged or self._find_delivered(feedback_id)

    def _find_delivered(self, feedback_id: str) -> str | None:
        bronze = tables.read(self._settings, self._case.table("bronze", FEED)).filter(pl.col("feedback_id") == feedback_id)
        rows = bronze.sort("given_at").select(SAID).head(1).collect().to_dicts()
        return fingerprint(rows[0]) if rows else None


def _read_on(path: Path, segment: _Segment) -> _Segment:
    """Add the lines that were finished since."""
    try:
        with path.open("rb") as file:
            file.seek(segment.byte_count)
            content = file.read()
    except FileNotFoundError:
        # It was delivered just now.
        return segment
    finished = content[: content.rfind(b"\n") + 1]
    lines = finished.split(b"\n")[:-1]
    for rows in parse_lines(path, lines, first=segment.line_count + 1):
        for row in rows:
            segment.fingerprints.setdefault(row["feedback_id"], fingerprint(row))
    segment.byte_count += len(finished)
    segment.line_count += len(lines)
    return segment
