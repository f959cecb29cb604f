"""What stands behind the routes: the champion, the online features, the log, and the threads that keep them.

A reply is computed, logged, synced, and only then given.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from deltalake.exceptions import DeltaError
from fastapi.concurrency import run_in_threadpool

from headrace.errors import CandidateError, HeadraceError, ServingError
from headrace.features.materialize import feature_hashes
from headrace.features.online import OnlineStore, StoreState, build_request_features
from headrace.features.views import REFRESHED_AT
from headrace.serving import replies
from headrace.serving.drain import drain
from headrace.serving.health import Health
from headrace.serving.inference_log import InferenceLog, log_folder, read_backlog
from headrace.serving.model_watcher import Champion, FindChampion, LoadCandidate, ModelWatcher
from headrace.serving.request_rows import LoggedRow, format_rows
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

# A champion and the features of rows -> its predictions.
Predict = Callable[[Champion, pl.DataFrame], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often the server does what nobody asks it for, in seconds.

    Attributes:
        poll_seconds: Between two looks at the registry.
        drain_seconds: Between two drains of closed segments.
        segment_seconds: Age at which a segment is closed.
        first_look_seconds: Longest wait for the registry at the start.
    """

    poll_seconds: float = 2.0
    drain_seconds: float = 15.0
    segment_seconds: float = 60.0
    first_look_seconds: float = 10.0


class ModelServer:
    """One use case, served. `start` before the first request, `stop` after the last."""

    def __init__(self, settings: Settings, case: UseCase, *, find_champion: FindChampion, load: LoadCandidate, clock: Clock, pace: Pace) -> None:
        """Prepare to serve; nothing runs before `start`.

        Args:
            settings: The environment that is served.
            case: The use case.
            find_champion: Asks the registry; see `ModelWatcher`.
            load: Loads a candidate's folder.
            clock: The present instant (UTC): when a request arrived.
            pace: How often the background work is done.
        """
        self.settings, self.case, self.clock, self.pace = settings, case, clock, pace
        self.watcher = ModelWatcher(find_champion, load=load, features_version=case.features.version, poll_seconds=pace.poll_seconds)
        self._store = OnlineStore(settings.online_root / case.name)
        self._replies = replies.Replies()
        self._log: InferenceLog | None = None
        self._stopping = threading.Event()
        self._drainer = threading.Thread(target=self._drain_until_stopped, name="drainer", daemon=True)
        self._drain_problem: str | None = None

    async def start(self) -> None:
        """Drain what earlier servers left, so that their replies are found again; then watch, log and go on draining."""
        await run_in_threadpool(self._drain)
        self._log = InferenceLog(log_folder(self.settings, self.case.name), clock=self.clock, max_age_seconds=self.pace.segment_seconds)
        await run_in_threadpool(self.watcher.start, wait_seconds=self.pace.first_look_seconds)
        self._drainer.start()

    async def stop(self) -> None:
        """Close the log and drain it to the last line."""
        await run_in_threadpool(self._stop)

    def health(self, *, further: Sequence[str] = ()) -> Health:
        """What the server would answer with now, and what needs a person.

        Args:
            further: Problems of what stands beside it.
        """
        now, instant = self.watcher.now, self.clock()
        state, store_problem = self._read_store()
        backlog = read_backlog(log_folder(self.settings, self.case.name))
        is_ready = now.champion is not None and state is not None and self._log is not None and self._log.is_alive
        stopped = [f"the thread that {work} has died; restart the server" for work, is_alive in self._threads() if not is_alive]
        log_problem = None if self._log is None else self._log.problem
        problems = [text for text in (now.problem, store_problem, self._drain_problem, log_problem, *stopped, *further) if text is not None]
        return Health(
            status="unavailable" if not is_ready else "degraded" if problems else "ok",
            is_live=True,
            is_ready=is_ready,
            problems=problems,
            environment=self.settings.environment,
            use_case=self.case.name,
            model_version=None if now.champion is None else now.champion.ref.version,
            model_id=None if now.champion is None else now.champion.ref.model_id,
            features_version=self.case.features.version,
            refreshed_at=None if state is None else state.refreshed_at,
            features_age_seconds=None if state is None else (instant - state.refreshed_at).total_seconds(),
            undrained_segment_count=backlog.segment_count,
            undrained_bytes=backlog.byte_count,
            undrained_seconds=None if backlog.oldest_at is None else (instant - backlog.oldest_at).total_seconds(),
            logged_count=0 if self._log is None else self._log.line_count,
            sync_count=0 if self._log is None else self._log.sync_count,
            cpu_seconds=time.process_time(),
        )

    async def answer(
        self, rows: pl.DataFrame, *, request_id: str, is_new_id: bool, requested_at: datetime, predict: Predict | None = None
    ) -> replies.Rows:
        """Score rows, once per request id.

        Args:
            rows: The request columns. Grain: one row per row asked for.
            request_id: The caller's id, or a new one.
            is_new_id: Whether the id was made for this request, so that nobody can have used it.
            requested_at: When the request arrived (UTC).
            predict: How the champion is asked; left out, as every candidate is.

        Returns:
            Rows of `inference.<use_case>_requests`, logged and synced, in the order of `rows`.

        Raises:
            RepeatedIdError: The id was used for other rows.
            ServingError, CandidateError: There is no champion, no online features, or no log.
        """
        began = time.perf_counter()
        asked = rows.select(pl.struct(pl.all()).struct.json_encode().alias("request")).to_series()
        requests = asked.to_list()

        async def answer() -> replies.Rows:
            earlier = None if is_new_id else await run_in_threadpool(self._read_reply, request_id, requests)
            if earlier is not None:
                return earlier
            reply = await run_in_threadpool(self._score, rows, asked, request_id, requested_at, began, predict or _predict)
            if self._log is None:
                raise ServingError("the server was not started")
            await asyncio.wrap_future(self._log.append(reply))
            return reply

        return await self._replies.answer_once(request_id, requests, answer)

    def _read_reply(self, request_id: str, requests: list[str]) -> replies.Rows | None:
        try:
            return replies.read_reply(self.settings, self.case, request_id=request_id, requests=requests)
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            raise ServingError("the lake cannot tell whether this request id was used before; send the request without an id, or later") from error

    def _score(
        self, rows: pl.DataFrame, asked: pl.Series, request_id: str, requested_at: datetime, began: float, predict: Predict
    ) -> list[LoggedRow]:
        champion = self._require_champion()
        features = build_request_features(self.case.features, self._store, rows)
        names, scorer, kind = self.case.features.names, champion.scorer, champion.scorer.kind
        predicted = kind.to_columns(predict(champion, features), scorer.outcomes)
        # The sync of the log comes after, and cannot be in what it syncs.
        latency_ms = (time.perf_counter() - began) * 1_000
        answered = features.select(
            pl.concat_str(pl.lit(f"{request_id}/"), pl.int_range(pl.len())).alias("request_id"),
            pl.lit(requested_at, dtype=pl.Datetime("us", "UTC")).alias("requested_at"),
            REFRESHED_AT,
            asked,
            pl.struct(names).struct.json_encode().alias("features"),
            pl.lit(self.case.features.version, dtype=pl.Int64).alias("features_version"),
            feature_hashes(features, names),
            pl.lit(champion.ref.version, dtype=pl.Int64).alias("model_version"),
            pl.lit(champion.ref.model_id).alias("model_id"),
            pl.lit(latency_ms, dtype=pl.Float64).alias("latency_ms"),
            *predicted,
        )
        return format_rows(answered, kind)

    def _require_champion(self) -> Champion:
        now = self.watcher.now
        if now.champion is None:
            raise CandidateError(f"no champion of {self.case.name} can be served: {now.problem}")
        return now.champion

    def _stop(self) -> None:
        self.watcher.stop()
        if self._log is not None:
            self._log.close()
        self._stopping.set()
        self._drainer.join()
        self._drain()

    def _drain_until_stopped(self) -> None:
        while not self._stopping.wait(self.pace.drain_seconds):
            self._drain()

    def _drain(self) -> None:
        """Drain what is closed; what goes wrong is kept for `/health`, and the segments stay for the next time."""
        try:
            drain(self.settings, self.case)
            self._drain_problem = None
        except (HeadraceError, DeltaError, OSError, pl.exceptions.PolarsError) as error:
            if str(error) != self._drain_problem:
                logger.error("drain: %s", error)
            self._drain_problem = str(error)

    def _read_store(self) -> tuple[StoreState | None, str | None]:
        """What the online store holds, or why a request would be refused for its sake."""
        try:
            build_request_features(self.case.features, self._store, pl.DataFrame(schema=dict(self.case.features.request_columns)))
            return self._store.read_state(), None
        except ServingError as error:
            return None, str(error)

    def _threads(self) -> list[tuple[str, bool]]:
        is_logging = self._log is not None and self._log.is_alive
        return [("watches the registry", self.watcher.is_alive), ("drains the log", self._drainer.is_alive()), ("writes the log", is_logging)]


def _predict(champion: Champion, features: pl.DataFrame) -> np.ndarray:
    return champion.scorer.predict(features)
