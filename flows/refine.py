"""Refine: bronze batches become clean silver rows; what breaks its contract goes to quarantine, or stops the line.

Reads   bronze.<use_case>_<feed>
Writes  silver.<use_case>_<feed>, silver.<use_case>_<feed>_rejected, metrics.data_quality, metrics.pipeline_runs
Gate    Great Expectations on each batch: verdict of the batch, quarantine of rows
Run     make refine USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.artifacts import publish_quality
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.naming import build_run_name
from tasks.refine import refine_feed
from tasks.stage import StageResult, end_repeat, end_stage


@flow(flow_run_name=build_run_name)
def refine(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Refine every batch that was ingested and not refined yet; blocked batches are judged again.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) until which batches count; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "refine", as_of)
    run = runs.begin(settings, case.name, "refine", as_of=as_of)
    if run.is_finished:
        return end_repeat(run)

    # Every feed is judged, so that one run tells all that is wrong; a single blocked batch stops the line.
    steps = {feed: refine_feed(settings, case, feed, as_of=as_of) for feed in case.feeds}
    publish_quality(case, steps)
    return end_stage(settings, run, list(steps.values()))
