"""Featurize: every row whose prediction time has come gets its features, as they were known then; the online store follows.

Reads   silver.<use_case>_*
Writes  gold.<use_case>_features, the online store, metrics.data_quality, metrics.pipeline_runs
Gate    freshness of the silver tables, contract of the feature table
Run     make featurize USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.featurize import append_features, decide_freshness, publish_online
from tasks.naming import build_run_name
from tasks.parameters import Revision
from tasks.stage import StageResult, end_repeat, end_stage


@flow(flow_run_name=build_run_name)
def featurize(use_case: str, as_of: datetime | None = None, revision: Revision = 1) -> StageResult | State[Any]:
    """Append the features of the rows whose prediction time has come since the last slice.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) until which rows count; left out: the environment's clock.
        revision: 1, or higher than before to do a slice again.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "featurize", as_of)
    run = runs.begin(settings, case.name, "featurize", as_of=as_of, revision=revision)
    if run.is_finished:
        # The slice is in the table; a store that was lost or left behind catches up with it.
        publish_online(settings, case, as_of=as_of)
        return end_repeat(run)

    # Features from a stale table would be wrong without looking wrong, so the stage stops before it builds any.
    freshness = decide_freshness(settings, case, as_of=as_of)
    if not freshness.passed:
        return end_stage(settings, run, [], verdict=freshness)

    # The table is the truth; the online store is a projection of the same function at the last instant of the grid.
    step = append_features(settings, case, as_of=as_of, revision=revision)
    if step.decision.passed:
        publish_online(settings, case, as_of=as_of)
    return end_stage(settings, run, [step])
