"""Monitor: late labels meet their predictions, inputs are compared with the past, what was served is measured; breaches are rows and events.

Reads   inference.<use_case>_predictions, gold.<use_case>_features, silver.<use_case>_* (labels, feedback), metrics.llm_calls, registry
Writes  metrics.model_performance, metrics.drift, metrics.live_figures, metrics.alerts, metrics.pipeline_runs,
        inference.<use_case>_requests (from the server's log), metrics.traces and traces of an assistant's answers in MLflow;
        events headrace.performance.dropped, headrace.drift.detected, headrace.service.breached, headrace.service.unmeasured
Gate    none of its own; `retrain` decides on these rows
Run     make monitor USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.artifacts import publish_monitoring
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.events import emit_alerts
from tasks.monitor import append_alerts, append_drift, append_live_figures, append_performance, drain_requests, publish_traces
from tasks.naming import build_run_name
from tasks.stage import StageResult, end_repeat, end_stage


@flow(flow_run_name=build_run_name)
def monitor(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Measure every window that is complete and was not measured yet.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) at which windows must be complete; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "monitor", as_of)
    run = runs.begin(settings, case.name, "monitor", as_of=as_of)
    if run.is_finished:
        return end_repeat(run)

    # A server that was killed left answered requests in its local log; they belong to what is monitored.
    drain_requests(settings, case)

    # Outputs, inputs and service are all watched: a model can fail on steady inputs, and inputs can move without hurting.
    steps = [
        append_performance(settings, case, as_of=as_of),
        append_drift(settings, case, as_of=as_of),
        append_live_figures(settings, case, as_of=as_of),
    ]

    # Before the run is finished, so that one that dies here says it when it runs again; the server knows the event by its id.
    emit_alerts(settings, case, append_alerts(settings, case, as_of=as_of))

    # For people to look at.
    publish_monitoring(settings, case)
    publish_traces(settings, case)
    return end_stage(settings, run, steps)
