"""Promote: the challenger becomes champion, or the run says why not.

Reads   registry  <use_case>@challenger, @champion; gold.<use_case>_features, metrics.approvals; of an assistant also its worded answers
Writes  metrics.model_comparisons, metrics.approval_requests, metrics.approvals, metrics.promotions, metrics.pipeline_runs; registry  aliases, tags
Gate    order in time, compliance, comparison on the same rows, words of a new prompt or model, approval by a person who saw the evidence
Run     make promote USE_CASE=flight_delay ENV=dev AS_OF=2013-07-01
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.decisions import decide_all
from headrace.lake import runs
from headrace.registry.bars import are_words_missing
from headrace.registry.evidence import is_waiting
from tasks.approval import ask_person, decide_approval, finish_waiting, record_form, start_reign
from tasks.artifacts import publish_promotion
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.naming import build_run_name
from tasks.promote import (
    decide_comparison,
    decide_compliance,
    decide_order,
    decide_words,
    finish_promotions,
    read_challenger,
    read_verdict,
    record_verdict,
)
from tasks.stage import StageResult, end_stage, end_without_challenger


@flow(flow_run_name=build_run_name)
def promote(use_case: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Judge the challenger, and make it champion only if every gate passed.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) at which it is judged; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    instant = read_as_of(settings, case, "promote", as_of)

    # The challenger is named once: what follows judges this version even if somebody moves the alias meanwhile.
    challenger = read_challenger(settings, case)
    if challenger is None:
        finish_promotions(settings, case)
        return end_without_challenger(instant)
    record_form(settings, case, challenger)
    reign_start = start_reign(settings, case, challenger, instant, is_given=as_of is not None)
    run = runs.begin(settings, case.name, "promote", as_of=reign_start, slice_name=challenger.model_id)

    # A run that died after its verdict left a row, which is obeyed, not made again.
    verdict = read_verdict(settings, case, challenger)
    if verdict is None:
        # History is not rewritten: a champion in the past would not be the one that made the predictions there.
        order = decide_order(settings, case, challenger, as_of=reign_start)
        if not order.passed:
            return end_stage(settings, run, [], verdict=order)

        # Machines judge before a person is asked. Without a champion, the opponent is the business rule of the use case.
        gates = [decide_compliance(settings, case, challenger), decide_comparison(settings, case, challenger, as_of=reign_start)]
        gates += decide_words(settings, case, challenger, as_of=reign_start)
        judged = decide_all("promotion", gates)
        if are_words_missing(gates):
            # Answers that nobody has worded yet are no verdict about the version: once they are there, the next run judges.
            return end_stage(settings, run, [], verdict=judged)
        links = publish_promotion(settings, case, challenger, judged)
        approval = decide_approval(settings, case, challenger, judged)
        if judged.passed and is_waiting(approval):
            # Waiting for a person is no verdict about the version: the next run, or this one resumed, asks again.
            waits = ask_person(settings, case, challenger, judged, approval, links, as_of=reign_start)
            return end_stage(settings, run, [], verdict=waits)
        verdict = record_verdict(settings, case, challenger, judged, approval, as_of=reign_start)

    # The rows are the truth and come first; aliases and tags only follow them.
    state = end_stage(settings, run, [], verdict=verdict)
    finish_promotions(settings, case)
    finish_waiting(settings, case, challenger)
    return state
