"""What a stage run logged, for the row about it: people who may not look into a machine read it in `metrics.pipeline_runs`.

The lines go into the run's own row, as JSON: a table of their own would cost every stage a second commit (as much as the row
itself), and a row per line could not be written exactly once, because a run that is done again logs other lines. They name
tables, counts and versions; the library logs no row's values.
"""

import json
import logging
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from headrace.settings import Settings

# A stage logs some ten lines, of 150 bytes each; what lies before the last 200 is in the log file.
MAX_LINES = 200

_LIBRARY = "headrace"


class _Recent(logging.Handler):
    """Keeps the latest lines of this process."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        # More than one run keeps, because a stage may run inside another.
        self.records: deque[logging.LogRecord] = deque(maxlen=4 * MAX_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


_recent = _Recent()


def start_keeping(settings: Settings) -> None:
    """Keep what the library logs from now on, whoever started this process; safe to repeat."""
    library = logging.getLogger(_LIBRARY)
    if library.level == logging.NOTSET:
        library.setLevel(settings.log_level)
    if _recent not in library.handlers:
        library.addHandler(_recent)


def list_lines(since: datetime) -> list[dict[str, str]]:
    """Lines logged at or after a clock reading (UTC), oldest first: `at`, `level`, `logger`, `message`."""
    return [
        {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for record in tuple(_recent.records)
        if record.created >= since.timestamp()
    ]


def format_lines(lines: Sequence[dict[str, str]]) -> str:
    """The last lines as the row holds them."""
    return json.dumps(lines[-MAX_LINES:], ensure_ascii=False)
