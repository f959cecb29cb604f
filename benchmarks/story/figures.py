"""The figures of a story: gathered by its acts, printed as one table at its end."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.story.place import StoryError
from benchmarks.story.runs import Run, Server


@dataclass
class Figures:
    """Names and figures in the order in which they were measured."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def note(self, name: str, figure: str) -> None:
        """Keep a figure as it is to be read."""
        self.rows.append((name, figure))

    def seconds(self, name: str, seconds: float) -> None:
        """Keep a time."""
        self.note(name, f"{seconds:.1f} s")

    def between(self, name: str, begin: datetime | None, end: datetime | None) -> None:
        """Keep the time between two instants."""
        if begin is None or end is None:
            raise StoryError(f"{name}: it did not begin, or did not end")
        self.seconds(name, (end - begin).total_seconds())

    def measure_event(self, server: Server, event: str, started: Run) -> None:
        """Keep the time from an event until the run that it started existed, and until it ran."""
        body = {"filter": {"event": {"name": [event]}, "order": "DESC"}, "limit": 50}
        before = [datetime.fromisoformat(row["occurred"]) for row in server.post("events/filter", body)["events"]]
        occurred = max((instant for instant in before if instant <= started.created_at), default=None)
        if occurred is None:
            raise StoryError(f"the server knows no {event} before {started.name}")
        self.between(f"{event}: until its run was created", occurred, started.created_at)
        self.between(f"{event}: until its run began", occurred, server.read(started).started_at)

    @contextmanager
    def act(self, name: str) -> Generator[None]:
        """Time one act."""
        begin = time.monotonic()
        yield
        self.seconds(f"act: {name}", time.monotonic() - begin)

    def render(self) -> str:
        """The table."""
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"  {name:<{width}}  {figure:>12}" for name, figure in self.rows)
