"""The server's own log: every answer is on disk, synced, before it is given.

One line holds one request: a JSON list of its rows, as `inference.<use_case>_requests` will hold them. Requests that
arrive together share one sync (group commit). A segment that somebody writes is locked; whoever can lock one knows that
its writer closed it or died, and may drain it (`headrace.serving.drain`). A line without an end was never answered.
"""

import fcntl
import json
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headrace.errors import ServingError
from headrace.serving.request_rows import LoggedRow
from headrace.settings import Settings

logger = logging.getLogger(__name__)

# 16 MiB are about 10,000 rows; drained once a minute, a commit to the lake (about 50 ms) costs nothing.
MAX_SEGMENT_BYTES = 16 * 2**20
MAX_SEGMENT_AGE_SECONDS = 60.0

# What one sync may carry at most, so that the first of a crowd does not wait for the last.
_MAX_GROUP = 256


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one segment holds.

    Attributes:
        requests: The rows of each answered request, in the order they were answered.
        torn_count: 1 when the writer died within a line, else 0. Nobody was answered with it.
    """

    requests: tuple[list[LoggedRow], ...]
    torn_count: int


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What is logged but not in the lake yet: `oldest_at` is when the oldest segment was begun (UTC), None without one."""

    segment_count: int
    byte_count: int
    oldest_at: datetime | None


def log_folder(settings: Settings, use_case: str) -> Path:
    """The folder of a use case's segments."""
    return settings.find_folder("serving", use_case, "log")


def list_segments(folder: Path) -> list[Path]:
    """All segments, those being written included, oldest first."""
    return sorted(folder.glob("*.jsonl"))


def read_segment(path: Path) -> Segment:
    """Read one segment.

    Raises:
        ServingError: A line that was finished, and may have been answered, is not what a server writes.
    """
    *lines, torn = path.read_bytes().split(b"\n")
    return Segment(requests=tuple(parse_lines(path, lines)), torn_count=int(bool(torn)))


def parse_lines(path: Path, lines: Sequence[bytes], *, first: int = 1, is_wanted: Callable[[bytes], bool] | None = None) -> list[list[LoggedRow]]:
    """The rows of finished lines of a segment.

    Args:
        path: The segment.
        lines: Its finished lines from the first one on, without a gap, so that a damaged one is named by its place.
        first: Place of the first of them, from 1.
        is_wanted: Which lines are read; left out, all.

    Raises:
        ServingError: A line is not what a server writes.
    """
    requests = []
    for number, line in enumerate(lines, start=first):
        if is_wanted is not None and not is_wanted(line):
            continue
        try:
            requests.append(json.loads(line))
        except ValueError as error:
            raise ServingError(
                f"{path}: line {number} is not JSON, although it was finished; the disk or a person changed it. "
                "The file stays where it is: repair that line, then drain again"
            ) from error
    return requests


def read_backlog(folder: Path) -> Backlog:
    """Count what waits to be drained."""
    paths = list_segments(folder)
    sizes = [size for path in paths if (size := _size(path)) is not None]
    begun = [datetime.strptime(path.name.split("-")[0], _NAME_FORMAT).replace(tzinfo=UTC) for path in paths[:1]]
    return Backlog(segment_count=len(sizes), byte_count=sum(sizes), oldest_at=begun[0] if begun else None)


@contextmanager
def claim(path: Path) -> Generator[bool]:
    """Hold a segment's lock; false when a living process holds it, or the segment is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _lock(descriptor) and _is_at(descriptor, path)
    finally:
        os.close(descriptor)


class InferenceLog:
    """The writing end. One thread writes and syncs; any thread may append."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime],
        max_bytes: int = MAX_SEGMENT_BYTES,
        max_age_seconds: float = MAX_SEGMENT_AGE_SECONDS,
    ) -> None:
        """Begin to wait for lines; the first one begins a segment.

        Args:
            folder: Where segments lie; made when missing.
            clock: The present instant (UTC), for the names of segments.
            max_bytes: A segment of this size or more is closed.
            max_age_seconds: A segment of this age or more is closed.
        """
        self._folder, self._clock, self._max_bytes, self._max_age_seconds = folder, clock, max_bytes, max_age_seconds
        self._entries: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._descriptor: int | None = None
        self._bytes, self._opened, self._is_closed = 0, 0.0, False
        self.line_count, self.sync_count = 0, 0
        # Why the last lines could not be written; None: they were.
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._work, name="inference-log", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether what is appended will be written."""
        return self._thread.is_alive()

    def append(self, rows: Sequence[LoggedRow]) -> Future[None]:
        """Log one request's rows; the future is done once they are synced, or failed when they cannot be (`ServingError`)."""
        if self._is_closed or not self.is_alive:
            raise ServingError("the inference log is closed, this server is stopping; send the request to another")
        done: Future[None] = Future()
        # A caller who gives up must not take the writer's thread along: a running future cannot be cancelled.
        done.set_running_or_notify_cancel()
        line = json.dumps(rows, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        self._entries.put((line + b"\n", done))
        return done

    def close(self) -> None:
        """Write what was appended, then release the segment."""
        self._is_closed = True
        self._entries.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (group := self._next_group()) is not None:
            if group:
                self._write(group)
            if self._is_full():
                self._release()
        self._release()

    def _next_group(self) -> list[tuple[bytes, Future[None]]] | None:
        """All that waits (nothing, after a quiet while in which a segment may have aged), or None when the log was closed."""
        try:
            entry = self._entries.get(timeout=min(1.0, self._max_age_seconds))
        except queue.Empty:
            return []
        group: list[tuple[bytes, Future[None]]] = []
        while entry is not None:
            group.append(entry)
            if len(group) == _MAX_GROUP or self._entries.empty():
                return group
            entry = self._entries.get()
        if not group:
            return None
        self._entries.put(None)
        return group

    def _write(self, group: list[tuple[bytes, Future[None]]]) -> None:
        try:
            self._sync(b"".join(line for line, _ in group))
        except OSError as error:
            # What reached the disk is unknown, so nothing may follow it in the same segment.
            self._release()
            failure = ServingError(
                f"the inference log in {self._folder} cannot be written ({error.strerror}); free or mount its disk, nothing is answered until then"
            )
            logger.error("%s", failure)
            self.problem = str(failure)
            for _, done in group:
                done.set_exception(failure)
            return
        self.problem = None
        self.line_count += len(group)
        self.sync_count += 1
        for _, done in group:
            done.set_result(None)

    def _sync(self, lines: bytes) -> None:
        if self._descriptor is None:
            self._descriptor, self._bytes, self._opened = _open_segment(self._folder, self._clock()), 0, time.monotonic()
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        self._bytes += len(lines)

    def _is_full(self) -> bool:
        return self._bytes >= self._max_bytes or time.monotonic() - self._opened >= self._max_age_seconds

    def _release(self) -> None:
        """Close the segment, and so unlock it; the next line begins another."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_NAME_FORMAT = "%Y%m%dT%H%M%S%fZ"


def _open_segment(folder: Path, instant: datetime) -> int:
    """Make and lock a segment. A drainer may see it before it is locked and remove it, empty; then another is made."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        path = folder / f"{instant.astimezone(UTC).strftime(_NAME_FORMAT)}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        if _lock(descriptor) and _is_at(descriptor, path):
            _sync_folder(folder)
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    """A file that is synced in a folder that is not may be gone after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
