"""Replies by request id, so that a caller who asks again is told the same, and the table holds what everybody was told.

A repeat within the last `REMEMBERED_ROWS` rows gets the first reply, even from a server that was started in between, and
is not logged again. An older repeat is scored anew; draining then keeps the row of the first reply.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import polars as pl

from headrace.lake import tables
from headrace.serving.inference_log import list_segments, log_folder, read_segment
from headrace.serving.request_rows import LoggedRow, format_rows, requests_table
from headrace.settings import Settings
from headrace.use_case import UseCase

# About 100 MB at 1 KB per row, and an hour of 14 rows a second: longer than callers retry.
REMEMBERED_ROWS = 50_000
REMEMBERED_FOR = timedelta(hours=1)

Rows = Sequence[LoggedRow]


class Replies:
    """The latest replies, and those being computed. Used from one event loop only."""

    def __init__(self, max_rows: int = REMEMBERED_ROWS) -> None:
        """
        Args:
            max_rows: Rows to remember; the oldest requests are forgotten first.
        """
        self._max_rows, self._row_count = max_rows, 0
        self._replies: OrderedDict[str, tuple[list[str], asyncio.Future[Rows]]] = OrderedDict()

    async def answer_once(self, request_id: str, requests: list[str], answer: Callable[[], Awaitable[Rows]]) -> Rows:
        """The reply of this id: remembered, about to come, or computed now.

        Args:
            request_id: The caller's id, or a new one.
            requests: What is asked, one text per row.
            answer: Computes and logs the reply.

        Raises:
            ValueError: The id was used for other rows.
            HeadraceError: What `answer` raises; such a reply is not remembered.
        """
        if request_id not in self._replies:
            self._remember(request_id, requests, asyncio.ensure_future(answer()))
        asked, reply = self._replies[request_id]
        if asked != requests:
            raise ValueError(f"request id {request_id!r} was used before for other rows; send these with an id of their own")
        # A caller who hangs up does not take the reply from another who waits for the same id.
        return await asyncio.shield(reply)

    def restore(self, replies: Sequence[Rows]) -> None:
        """Remember replies that were given before this server was started, oldest first; of two for one id the first counts.

        Args:
            replies: Rows of the requests table, one sequence per request, in the order they were asked.
        """
        for rows in replies:
            request_id = split_row_id(rows[0]["request_id"])[0]
            if request_id not in self._replies:
                given: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
                given.set_result(rows)
                self._remember(request_id, [row["request"] for row in rows], given)

    def _remember(self, request_id: str, requests: list[str], reply: asyncio.Future[Rows]) -> None:
        self._replies[request_id] = (requests, reply)
        self._row_count += len(requests)
        reply.add_done_callback(lambda done: self._forget(request_id) if done.cancelled() or done.exception() else None)
        while self._row_count > self._max_rows and len(self._replies) > 1:
            self._forget(next(iter(self._replies)))

    def _forget(self, request_id: str) -> None:
        requests, _ = self._replies.pop(request_id, ([], None))
        self._row_count -= len(requests)


def split_row_id(row_id: str) -> tuple[str, int]:
    """Request id and ordinal of a row's id."""
    request_id, ordinal = row_id.rsplit("/", 1)
    return request_id, int(ordinal)


def read_replies(settings: Settings, case: UseCase, *, since: datetime, max_rows: int = REMEMBERED_ROWS) -> list[Rows]:
    """Replies that earlier servers gave since an instant (UTC), oldest first, from the lake and from what is not drained yet.

    Raises:
        ServingError: A segment holds a line that no server wrote.
    """
    # The log is read before the lake: a segment that is drained in between is then found there.
    logged: list[Rows] = []
    for path in reversed(list_segments(log_folder(settings, case.name))):
        try:
            logged = [*read_segment(path).requests, *logged]
        except FileNotFoundError:
            continue
        if sum(len(rows) for rows in logged) >= max_rows:
            break
    return [*_read_drained(settings, case, since=since, max_rows=max_rows), *logged]


def _read_drained(settings: Settings, case: UseCase, *, since: datetime, max_rows: int) -> list[Rows]:
    table = requests_table(case.name)
    if tables.read_version(settings, table) is None:
        return []
    rows = tables.read(settings, table).filter(pl.col("requested_at") >= since).sort("requested_at", maintain_order=True).tail(max_rows).collect()
    replies: dict[str, list[LoggedRow]] = {}
    for row in format_rows(rows):
        replies.setdefault(split_row_id(row["request_id"])[0], []).append(row)
    return [sorted(reply, key=lambda row: split_row_id(row["request_id"])[1]) for reply in replies.values()]
