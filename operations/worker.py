"""The worker of an environment's pool: `python -m operations.worker`. It drains on SIGTERM.

Prefect's own worker, told to end, kills its flow processes and leaves their runs RUNNING for ever. This one takes no new run,
lets those it has finish, and goes on telling the server that it is alive meanwhile. What is still there after `DRAIN_SECONDS`
is ended while the worker watches, so that the run is recorded as Crashed and can be resumed.
"""

import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from prefect.settings import get_current_settings
from prefect.utilities.services import critical_service_loop
from prefect.workers.process import ProcessWorker

from headrace.errors import HeadraceError
from headrace.settings import Settings, load_settings
from operations import processes
from operations.services import DRAIN_SECONDS, TERMINATE_SECONDS, work_pool, worker_name

logger = logging.getLogger("operations.worker")


async def work(settings: Settings, *, drain_seconds: float = DRAIN_SECONDS) -> None:
    """Take runs until told to end, then drain.

    Args:
        settings: The environment; its pool is created where missing.
        drain_seconds: How long runs may go on after that. A second signal ends the wait.
    """
    pace = get_current_settings().worker
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with ProcessWorker(work_pool_name=work_pool(settings), name=worker_name(settings)) as worker, anyio.create_task_group() as alive:
            alive.start_soon(_repeat, worker.sync_with_backend, pace.heartbeat_seconds)
            async with anyio.create_task_group() as polling:
                polling.start_soon(_repeat, worker.get_and_submit_flow_runs, pace.query_seconds)
                logger.info("takes runs of pool %s", work_pool(settings))
                await anext(signals)
                polling.cancel_scope.cancel()
            await _wait_for_runs(worker, signals, seconds=drain_seconds)
            await _end_runs(worker, signals)
            alive.cancel_scope.cancel()
    logger.info("ended")


def count_runs(worker: ProcessWorker) -> int:
    """Runs that the worker has taken and that have not ended: its child processes, and those on the way to one."""
    # Nothing public says it; Prefect keeps a run in this set until its process has started.
    return len(worker._submitting_flow_run_ids) + len(processes.read_children(os.getpid()))


async def _repeat(work: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Prefect's own loop, again and again: it gives up when the server is away for minutes, and that is no reason to end flows."""
    while True:
        try:
            await critical_service_loop(work, seconds, jitter_range=0.3, backoff=4, printer=lambda *_: None)  # ty: ignore[invalid-argument-type] - it only awaits
        except RuntimeError:
            logger.warning("the Prefect server has not answered for minutes; trying on")


async def _wait_for_runs(worker: ProcessWorker, signals: AsyncIterator[signal.Signals], *, seconds: float) -> None:
    """Return when no run is left, after `seconds`, or at the next signal."""
    async with anyio.create_task_group() as waiting:
        waiting.cancel_scope.deadline = anyio.current_time() + seconds
        waiting.start_soon(_leave_at_signal, signals, waiting.cancel_scope)
        said = 0
        while count := count_runs(worker):
            if count != said:
                logger.info("draining: takes no run, waits for %d", count)
                said = count
            await anyio.sleep(0.5)
        waiting.cancel_scope.cancel()


async def _leave_at_signal(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    await anext(signals)
    scope.cancel()


async def _end_runs(worker: ProcessWorker, signals: AsyncIterator[signal.Signals]) -> None:
    """End what did not finish, and stay until its process is gone: the worker then tells the server that the run crashed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = processes.read_children(os.getpid())
        if not left:
            return
        logger.warning("%d processes of runs did not finish in time and get %s", len(left), number.name)
        for pid in left:
            processes.send(pid, number)
        await _wait_for_runs(worker, signals, seconds=TERMINATE_SECONDS)


def main() -> int:
    """Work until told to end; a person's mistake ends in one sentence."""
    # Prefect has set up the root logger, for warnings.
    logger.setLevel(logging.INFO)
    try:
        settings = load_settings()
        # When a flow crashes, Prefect pulls its code once more, to look for hooks, and into the worker's own folder.
        folder = settings.environment_home / "run" / "worker"
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        anyio.run(work, settings)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
