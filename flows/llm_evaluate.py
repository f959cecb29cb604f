"""LLM evaluate: every way to retrieve, and the words of champion and challenger, are tried on questions whose answer is known; figures become rows.

Reads   silver.<use_case>_questions, gold.<use_case>_features, the index, metrics.index_versions, registry
Writes  metrics.retrieval_evaluations, metrics.evaluation_results, inference.<use_case>_worded_answers, metrics.rubric_grades,
        metrics.llm_calls, metrics.pipeline_runs
Gate    none of its own; promote judges chains, by these words where prompt or model are new
Run     make evaluate USE_CASE=docs_assistant ENV=dev
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.llm_evaluate import append_grades, append_retrieval_evaluation, append_wordings, name_slice
from tasks.naming import build_run_name
from tasks.parameters import Limit, Name
from tasks.stage import StageResult, end_repeat, end_stage


@flow(flow_run_name=build_run_name)
def llm_evaluate(use_case: str, as_of: datetime | None = None, limit: Limit = None, prompt: Name = None) -> StageResult | State[Any]:
    """Evaluate on the questions and the documents that were known at an instant.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) whose knowledge counts; left out: the newest one whose data are in.
        limit: Most questions to word answers to; left out: as many as the use case declares, 0: all. Goes on where it was.
        prompt: A prompt of the use case to try with the champion's chain, beside its own; left out: no other.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "llm_evaluate", as_of)
    # Each instant is evaluated for itself, and so is each chain: a later one does not stand for those before it.
    name = name_slice(settings, case, as_of=as_of, limit=limit, prompt=prompt)
    run = runs.begin(settings, case.name, "llm_evaluate", as_of=as_of, slice_name=name)
    if run.is_finished:
        return end_repeat(run)

    # Both legs are asked once; their fusions are judged on what they returned.
    steps = [append_retrieval_evaluation(settings, case, as_of=as_of)]
    # Without questions nobody can be asked, and what cannot be measured is all that there is to say.
    if steps[0].rows_read:
        steps.append(append_wordings(settings, case, as_of=as_of, limit=limit, prompt=prompt))
        # A judge takes some seconds for each label and answer, so a tick of the lifecycle leaves judges to `make evaluate`.
        steps.append(append_grades(settings, case, as_of=as_of, with_judges=limit is not None))
    return end_stage(settings, run, steps)
