"""Replies by request id, so that a caller who asks again is told the same, and the table holds what everybody was told.

The latest replies of this process are in memory, those of earlier ones in the lake, where starting a server drains them.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import polars as pl

from headrace.errors import ServingError
from headrace.lake import tables
from headrace.models.kinds import load_kind
from headrace.serving.request_rows import LoggedRow, format_rows, requests_table
from headrace.settings import Settings
from headrace.use_case import UseCase

# About 100 MB of a model's rows at 2 KB, 650 MB of an assistant's at 13 KB; the lake has the older ones.
REMEMBERED_ROWS = 50_000

Rows = Sequence[LoggedRow]


class RepeatedIdError(ServingError):
    """A request id was used before for other rows."""

    def __init__(self, request_id: str) -> None:
        """Name the id."""
        super().__init__(f"request id {request_id!r} was used before for other rows; send these with an id of their own")


class Replies:
    """The latest replies, and those being computed. Used from one event loop only."""

    def __init__(self, max_rows: int = REMEMBERED_ROWS) -> None:
        """Remember nothing yet.

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
            RepeatedIdError: The id was used for other rows.
            HeadraceError: What `answer` raises; such a reply is not remembered.
        """
        if request_id not in self._replies:
            self._remember(request_id, requests, asyncio.ensure_future(answer()))
        asked, reply = self._replies[request_id]
        if asked != requests:
            raise RepeatedIdError(request_id)
        # A caller who hangs up does not take the reply from another who waits for the same id.
        return await asyncio.shield(reply)

    def _remember(self, request_id: str, requests: list[str], reply: asyncio.Future[Rows]) -> None:
        self._replies[request_id] = (requests, reply)
        self._row_count += len(requests)
        reply.add_done_callback(lambda done: self._forget(request_id) if done.cancelled() or done.exception() else None)
        while self._row_count > self._max_rows and len(self._replies) > 1:
            self._forget(next(iter(self._replies)))

    def _forget(self, request_id: str) -> None:
        requests, _ = self._replies.pop(request_id, ([], None))
        self._row_count -= len(requests)


def read_reply(settings: Settings, case: UseCase, *, request_id: str, requests: list[str]) -> Rows | None:
    """The reply that the lake holds for an id, or None.

    Args:
        settings: The environment whose lake is read.
        case: The use case.
        request_id: The caller's id.
        requests: What is asked, one JSON text per row.

    Raises:
        RepeatedIdError: The id was used for other rows.
    """
    table = requests_table(case.name)
    if tables.read_version(settings, table) is None:
        return None
    # Bounds rather than a prefix: they let the scan skip files by their statistics. "0" is the character after "/".
    is_mine = pl.col("request_id").is_between(pl.lit(f"{request_id}/"), pl.lit(f"{request_id}0"), closed="none")
    ordinal = pl.col("request_id").str.split("/").list.last().cast(pl.Int64)
    rows = format_rows(tables.read(settings, table).filter(is_mine).collect().sort(ordinal), load_kind(case.kind))
    if not rows:
        return None
    if [json.loads(row["request"]) for row in rows] != [json.loads(text) for text in requests]:
        raise RepeatedIdError(request_id)
    return rows
