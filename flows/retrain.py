"""Retrain: the policy reads the metrics and says whether a new candidate is worth building; if so, it is built.

Reads   metrics.model_performance, metrics.drift, metrics.promotions, metrics.retrain_decisions, metrics.index_versions
Writes  metrics.retrain_decisions, metrics.pipeline_runs; through `train` a challenger
Gate    cool-down, budget, persistence, new labels; documents that changed wait only for a challenger that is there
Run     make retrain USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from flows.train import train
from headrace import use_case as use_cases
from headrace.decisions import Decision
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.naming import build_run_name
from tasks.retrain import decide_retraining
from tasks.stage import StageResult, end_repeat, end_stage, inside_parent, is_passed


@flow(flow_run_name=build_run_name)
def retrain(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Decide by what is known, and train when the policy says so.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) whose knowledge decides; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "retrain", as_of)
    run = runs.begin(settings, case.name, "retrain", as_of=as_of)
    if run.is_finished:
        return end_repeat(run)

    # A decision is made once per instant; a run that died while training finds it and goes on.
    decision = decide_retraining(settings, case, as_of=as_of)
    if decision.should_retrain:
        with inside_parent():
            trained = train(use_case, as_of, return_state=True)
        if not is_passed(trained):
            return end_stage(
                settings, run, [], verdict=Decision(gate="retrain", passed=False, reason=f"{decision.reason}; but train: {trained.message}")
            )
    return end_stage(settings, run, [], verdict=Decision(gate="retrain", passed=True, reason=f"{decision.trigger}: {decision.reason}"))
