"""Of the runs that a schedule missed, the newest is enough: each run does everything until its own instant.

After a day without a worker an hourly schedule has 24 runs waiting. Each stage is exactly once, so running them all would leave
the same tables, and cost a process each. The newest is left; the others end as Skipped, a state of type Cancelled.
"""

import logging
from collections import defaultdict
from datetime import datetime

from operations.orchestrator import Orchestrator, Row, any_of

logger = logging.getLogger(f"headrace.{__name__}")

# Names under which a scheduled run waits after its time has come. One that was resumed began already, and goes on.
WAITING = ("Scheduled", "Late", "AwaitingConcurrencySlot")
SKIPPED = "Skipped"


def skip_late_runs(orchestrator: Orchestrator, *, now: datetime) -> None:
    """Cancel the waiting runs of each deployment's schedule whose time has come, all but the newest."""
    waiting = {"state": {"type": any_of(["SCHEDULED"]), "name": any_of(WAITING)}, "expected_start_time": {"before_": now.isoformat()}}
    by_deployment: dict[str, list[Row]] = defaultdict(list)
    for run in orchestrator.read_runs(waiting):
        if run["auto_scheduled"] and run["run_count"] == 0:
            by_deployment[run["deployment_id"]].append(run)
    for runs in by_deployment.values():
        *missed, newest = sorted(runs, key=lambda run: datetime.fromisoformat(run["expected_start_time"]))
        message = f"missed; the run of {newest['expected_start_time']} does all that this one would have done"
        for run in missed:
            if orchestrator.move_run(run["id"], {"type": "CANCELLED", "name": SKIPPED, "message": message}):
                logger.info("skipped run=%s of %s: %s", run["id"], run["expected_start_time"], message)
