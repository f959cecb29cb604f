"""Promote: the challenger becomes champion, or the run says why not.

Reads   registry  <use_case>@challenger, @champion; gold.<use_case>_features, metrics.approvals
Writes  metrics.model_comparisons, metrics.promotions, metrics.pipeline_runs; registry  aliases, tags, descriptions
Gate    order in time, compliance, comparison on the same rows, approval
Run     make promote USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.decisions import decide_all
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.promote import (
    decide_approval,
    decide_comparison,
    decide_compliance,
    decide_order,
    finish_promotions,
    read_challenger,
    read_verdict,
    record_verdict,
)
from tasks.stage import StageResult, end_stage, end_without_challenger


@flow(flow_run_name="promote {use_case} {as_of}")
def promote(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Judge the challenger, and make it champion only if every gate passed.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) at which it is judged; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "promote", as_of)

    # The challenger is named once: what follows judges this version even if somebody moves the alias meanwhile.
    challenger = read_challenger(settings, case)
    if challenger is None:
        finish_promotions(settings, case)
        return end_without_challenger(as_of)
    run = runs.begin(settings, case.name, "promote", as_of=as_of, slice_name=challenger.model_id)

    # A run that died after its verdict left a row, which is obeyed, not made again.
    verdict = read_verdict(settings, case, challenger)
    if verdict is None:
        # History is not rewritten: a champion in the past would not be the one that made the predictions there.
        order = decide_order(settings, case, challenger, as_of=as_of)
        if not order.passed:
            return end_stage(settings, run, [], verdict=order)

        # Two machines judge before a person is asked. Without a champion, the opponent is the business rule of the use case.
        judged = decide_all("promotion", [decide_compliance(settings, case, challenger), decide_comparison(settings, case, challenger, as_of=as_of)])
        approval = decide_approval(settings, case, challenger)
        if judged.passed and not approval.passed:
            # Waiting for a person is no verdict about the version: the next run asks again.
            return end_stage(settings, run, [], verdict=approval)
        verdict = record_verdict(settings, case, challenger, judged, as_of=as_of)

    # The rows are the truth and come first; aliases and tags only follow them.
    state = end_stage(settings, run, [], verdict=verdict)
    finish_promotions(settings, case)
    return state
