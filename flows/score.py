"""Score: the champion in force at each row's prediction time predicts it, once.

Reads   gold.<use_case>_features, metrics.promotions, registry
Writes  inference.<use_case>_predictions, metrics.pipeline_runs
Gate    features and version of the model match those of the table
Run     make score USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.naming import build_run_name
from tasks.parameters import Revision
from tasks.score import append_predictions
from tasks.stage import StageResult, end_repeat, end_stage


@flow(flow_run_name=build_run_name)
def score(use_case: str, as_of: datetime | None = None, revision: Revision = 1) -> StageResult | State[Any]:
    """Predict the rows whose prediction time has come since the last slice.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) until which rows count; left out: the environment's clock.
        revision: 1, or higher than before to do a slice again.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "score", as_of)
    run = runs.begin(settings, case.name, "score", as_of=as_of, revision=revision)
    if run.is_finished:
        return end_repeat(run)

    step = append_predictions(settings, case, as_of=as_of, revision=revision)
    return end_stage(settings, run, [step])
