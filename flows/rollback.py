"""Roll back: the previous champion is champion again, through the same records.

Reads   metrics.promotions, registry
Writes  metrics.promotions, metrics.pipeline_runs; registry  aliases, tags
Gate    there is a previous champion, and a person gives name and reason
Run     make rollback USE_CASE=flight_delay ENV=dev BY=ada REASON="late flights score too low"
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.promote import finish_promotions
from tasks.rollback import decide_rollback
from tasks.stage import StageResult, end_stage


@flow(flow_run_name="rollback {use_case} by {by}")
def rollback(use_case: str, by: str, reason: str, as_of: datetime | None = None) -> StageResult | State[Any]:
    """Return to the champion before the present one.

    Args:
        use_case: Name of the use case.
        by: The person who decides.
        reason: Why.
        as_of: Instant (UTC) from which the previous champion is in force; left out: the environment's clock.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "rollback", as_of)

    # The row comes first; a run that died before the aliases followed is finished, not repeated.
    verdict = decide_rollback(settings, case, as_of=as_of, by=by, reason=reason)
    finish_promotions(settings, case)
    run = runs.begin(settings, case.name, "rollback", as_of=as_of, slice_name=str(verdict.evidence.get("slice", "refused")))
    return end_stage(settings, run, [], verdict=verdict)
