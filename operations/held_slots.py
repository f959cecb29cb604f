"""Slots of concurrency limits that no run holds are given back.

Prefect gives a slot back when a run leaves Running, and takes it back from a lease that nobody renews for five minutes. What
it cannot take back is a slot whose lease it forgot: it keeps leases in memory unless told otherwise, and a restart empties that.
"""

import logging
from collections import Counter
from datetime import datetime, timedelta

from operations.orchestrator import Orchestrator, any_of

logger = logging.getLogger(f"headrace.{__name__}")

# Longer than a lease lasts without renewal (300 s), so that only what Prefect will not free by itself is freed here.
FREED_AFTER = timedelta(minutes=6)

_HOLDING = ("RUNNING", "PENDING", "CANCELLING")


def free_held_slots(orchestrator: Orchestrator, since: dict[str, datetime], *, now: datetime) -> None:
    """Compare what each deployment's limit counts with the runs that hold a slot of it.

    Args:
        orchestrator: The server.
        since: Limit -> since when (UTC) it has counted more than its runs; kept from look to look.
        now: Instant of this look (UTC).
    """
    limited = {deployment["id"]: deployment["global_concurrency_limit"] for deployment in orchestrator.read_deployments()}
    holding = Counter(run["deployment_id"] for run in orchestrator.read_runs({"state": {"type": any_of(_HOLDING)}}))
    for deployment, limit in limited.items():
        if limit is None or limit["active_slots"] <= holding[deployment]:
            since.pop(limit["id"] if limit else "", None)
        elif now - since.setdefault(limit["id"], now) > FREED_AFTER:
            orchestrator.free_slots(limit["id"], held=holding[deployment])
            logger.info("freed slots of %s: counted %s, held %s", limit["name"], limit["active_slots"], holding[deployment])
