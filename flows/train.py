"""Train: a candidate from what was known at `as_of`, registered as challenger. Training never promotes.

Reads   gold.<use_case>_features, silver.<use_case>_* (labels)
Writes  MLflow run and registered version, alias challenger, metrics.model_versions,
        metrics.pipeline_runs
Gate    minimum data, split in time, leakage
Run     make train USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.decisions import passed
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.events import emit
from tasks.naming import build_run_name
from tasks.stage import StageResult, end_repeat, end_stage
from tasks.train import build_candidate, identify_candidate, register_challenger


@flow(flow_run_name=build_run_name)
def train(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Build and register the candidate that the data allow; the same inputs register nothing twice.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) whose knowledge the candidate is built from; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "train", as_of)

    # The candidate is named by what makes it, before it is made: the same code, rows and seed are the same candidate.
    identity = identify_candidate(settings, case, as_of=as_of)
    run = runs.begin(settings, case.name, "train", as_of=as_of, slice_name=identity.model_id)
    if run.is_finished:
        return end_repeat(run)

    # Too little data, a split that overlaps or a feature that knows the answer: then there is no candidate.
    verdict = build_candidate(settings, case, identity)
    if not verdict.passed:
        return end_stage(settings, run, [], verdict=verdict)

    # The event starts `promote` where a server listens; it carries names, never rows.
    version = register_challenger(settings, case, identity)
    emit(settings, case, "headrace.model.registered", subject=str(version.number))
    return end_stage(settings, run, [], verdict=passed("train", f"version {version.number}: {verdict.reason}", verdict.evidence))
