"""Lifecycle: the whole book, tick by tick, through the same flows that are deployed.

Reads   the use case's source
Writes  every table, the registry, the online store, metrics.clock, the story page
Gate    all of them: a blocked data stage stops the line, a challenger that is turned away does not
Run     make run
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from flows.featurize import featurize
from flows.ingest import ingest
from flows.llm_evaluate import llm_evaluate
from flows.llm_index import llm_index
from flows.monitor import monitor
from flows.promote import promote
from flows.refine import refine
from flows.retrain import retrain
from flows.score import score
from headrace import use_case as use_cases
from tasks.artifacts import show_progress
from tasks.clock import read_open_ticks
from tasks.environment import open_environment
from tasks.lifecycle import JUDGING, choose_stages, end_lifecycle, is_due, record_tick, write_story
from tasks.naming import build_run_name
from tasks.stage import StageResult, block, inside_parent, is_passed

STAGES = {
    "ingest": ingest,
    "refine": refine,
    "featurize": featurize,
    "llm_index": llm_index,
    "llm_evaluate": llm_evaluate,
    "score": score,
    "monitor": monitor,
    "retrain": retrain,
    "promote": promote,
}


@flow(flow_run_name=build_run_name)
def lifecycle(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Run the stages of every open tick; finished ticks and stages are skipped.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) until which ticks are run; left out: all that the clock holds.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    ticks = read_open_ticks(settings, case, until=as_of)

    for tick in show_progress(case, ticks):
        for stage in choose_stages(case):
            # What is finished is skipped before its subflow starts: a start alone costs half a second.
            if not is_due(settings, case, stage, as_of=tick):
                continue
            with inside_parent():
                state = STAGES[stage](use_case, tick, return_state=True)
            if not is_passed(state) and stage not in JUDGING:
                return block(stage, state)
        record_tick(settings, case, tick)

    # The page is drawn from rows, so it is the same whichever run draws it.
    page = write_story(settings, case)
    return end_lifecycle(case, ticks, page=page)
