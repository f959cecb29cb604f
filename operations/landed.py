"""What has landed and is not in bronze yet, one JSON object a line: `python -m operations.landed`, run by the watcher.

A process of its own, started every minute and gone after a second or two: it imports the use cases, whose sources may be large or
broken, and it runs from the folder of the deployed release, so it sees what that release's `ingest` would see.
"""

import argparse
import json
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from headrace import use_case as use_cases
from headrace.errors import HeadraceError
from headrace.lake import ingestion
from headrace.lake.batches import format_instant
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase

EVENT = "headrace.data.landed"

# Deliveries that one look names. One event is enough to start `ingest`, which takes all there are.
MOST = 20


def list_events(settings: Settings, case: UseCase, *, now: datetime) -> Iterator[dict[str, object]]:
    """Events, as Prefect takes them, about deliveries that had arrived by an instant (UTC) and are not in bronze; ids only.

    An event's id is made of what it is about, so the server knows one that it had. A delivery that is a window ends when it is
    looked at, so it is known by where it begins.
    """
    name = f"{settings.environment}.{case.name}"
    for feed in case.feeds:
        for delivery, after in ingestion.list_open_deliveries(settings, case, feed, until=now):
            begins = format_instant(after) if after else "the-beginning"
            subject = f"{feed}-{delivery.slice_name if delivery.arrived_at < now else f'after-{begins}'}"
            yield {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{EVENT}/{name}/{subject}")),
                "occurred": now.isoformat(),
                "event": EVENT,
                "resource": {"prefect.resource.id": f"headrace.{name}", "prefect.resource.name": name, "environment": settings.environment},
                "payload": {"use_case": case.name, "subject": subject},
            }


def main() -> int:
    """Print the events of every use case; a source that cannot be read says so on standard error and keeps the others waiting for nothing."""
    parser = argparse.ArgumentParser(prog="python -m operations.landed", description=__doc__)
    parser.add_argument("--use-case", action="append", help="a use case to look at; left out, every one")
    options = parser.parse_args()
    settings = load_settings()
    now = datetime.now(UTC)
    code = 0
    for name in options.use_case or use_cases.names():
        try:
            case = use_cases.load_in(settings, name)
            if use_cases.is_replayed(settings, case):
                continue
            for _, event in zip(range(MOST), list_events(settings, case, now=now), strict=False):
                sys.stdout.write(json.dumps(event) + "\n")
        except HeadraceError as error:
            sys.stderr.write(f"{name}: {type(error).__name__}: {error}\n")
            code = error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
