"""Ingest: what a source had delivered by `as_of` lands in bronze, verbatim and once.

Reads   the use case's source
Writes  bronze.<use_case>_<feed>, metrics.pipeline_runs
Gate    schema of each feed's contract
Run     make ingest USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.ingest import append_feed
from tasks.naming import build_run_name
from tasks.stage import StageResult, end_repeat, end_stage


@flow(flow_run_name=build_run_name)
def ingest(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Append every feed's deliveries since the last slice.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) until which deliveries count; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "ingest", as_of)
    run = runs.begin(settings, case.name, "ingest", as_of=as_of)
    if run.is_finished:
        return end_repeat(run)

    # A feed that breaks its contract does not keep the others out, but it stops the line behind this stage.
    steps = [append_feed(settings, case, feed, as_of=as_of) for feed in case.feeds]
    return end_stage(settings, run, steps)
