"""Verify environment: all pipelines together on a small slice, and the servers they need; the integration test of staging.

Reads   the first ticks of the use case's subset, from its source; health of the environment's servers
Writes  a scratch lake and registry, deleted when it passed; metrics.environment_checks
Gate    every stage, what they leave together, every server
Run     make verify USE_CASE=flight_delay ENV=staging
"""

import time
from collections.abc import Generator
from datetime import datetime
from typing import Any

from prefect import State, flow

from flows.lifecycle import STAGES
from headrace import use_case as use_cases
from headrace import verification
from headrace.settings import Settings, within
from headrace.use_case import UseCase
from headrace.verification import Check
from tasks.environment import open_environment
from tasks.lifecycle import is_due
from tasks.stage import StageResult, inside_parent
from tasks.verify import check_outcomes, end_verification, judge_stage, probe_servers, read_start, record_checks


@flow(flow_run_name="verify_environment {use_case}")
def verify_environment(use_case: str) -> StageResult | State[Any]:
    """Run every stage on the use case's subset in a scratch home, ask every server, and end in a verdict; no table but its record is touched.

    Args:
        use_case: Name of the use case; it must declare a subset.
    """
    settings, verified_at = open_environment(), read_start()
    case = use_cases.load_in(settings, use_case)

    # A run that died after its record is not judged again: the rows are the verdict.
    checks = verification.read_checks(settings, case, verified_at=verified_at)
    if checks:
        return end_verification(verification.decide_verification(checks), checks, verified_at=verified_at)

    # The stages' own flows, in an environment that nobody else has: another name, home, registry and clock.
    with verification.scratch(settings, use_case, verified_at=verified_at) as scratch, within(scratch):
        small = use_cases.load_in(scratch, use_case)
        checks += run_stages(scratch, small, verified_at=verified_at)
        checks += check_outcomes(scratch, small)

        # The servers are the environment's own.
        checks += probe_servers(settings, case)
        record_checks(settings, case, checks, verified_at=verified_at)
        verdict = verification.finish_scratch(scratch, verification.decide_verification(checks))
    return end_verification(verdict, checks, verified_at=verified_at)


def run_stages(scratch: Settings, case: UseCase, *, verified_at: datetime) -> Generator[Check]:
    """Run the stages tick by tick until one does not pass."""
    for tick in verification.list_ticks(case, verified_at=verified_at):
        for stage in case.stages:
            if not is_due(scratch, case, stage, as_of=tick):
                continue
            started = time.monotonic()
            with inside_parent():
                state = STAGES[stage](case.name, tick, return_state=True)
            check = judge_stage(stage, tick, state, started=started)
            yield check
            if not check.decision.passed:
                return
