"""What Prefect itself costs: empty tasks and subflows against an environment's own server, `HEADRACE_ENV=prod python -m benchmarks.story.overhead`.

Prints `{"task_seconds": ..., "flow_seconds": ...}`: wall time of one more task in a flow, and of one more subflow.
"""

import json
import logging
import sys
import time

from headrace import process
from headrace.settings import load_settings

_CALLS = 20


def main() -> int:
    """Measure and print."""
    settings = load_settings()
    process.prepare(settings)

    # Prefect reads its address and login when it is imported.
    from prefect import flow, task

    from tasks.options import COMPUTE
    from tasks.stage import inside_parent

    logging.getLogger("prefect").setLevel(logging.ERROR)

    @task(**COMPUTE)
    def do_nothing() -> None:
        """Cost what a task costs."""

    @flow
    def hold_nothing() -> None:
        """Cost what a subflow costs."""

    @flow(name="overhead")
    def measure() -> dict[str, float]:
        seconds = {}
        # Subflows as our lifecycle runs them.
        with inside_parent():
            for name, call in (("task_seconds", do_nothing), ("flow_seconds", hold_nothing)):
                # The first call pays for what all others find open.
                call()
                begin = time.monotonic()
                for _ in range(_CALLS):
                    call()
                seconds[name] = (time.monotonic() - begin) / _CALLS
        return seconds

    sys.stdout.write(json.dumps(measure()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
