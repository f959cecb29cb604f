"""Run a verb on the small use case in this process, and die by SIGKILL after a given number of steps.

    python -m tests.faults.run_small <steps or 0> <verb and its arguments>

A step is a write: of a table, a version, an alias, tags or the online store. Nothing in the product knows of this: its functions
are wrapped from outside, which is as close as a test gets to a plug that is pulled at a chosen moment.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import use_cases.flight_delay
from flows.__main__ import main
from headrace.features import refresh
from headrace.lake import tables
from headrace.registry import versions
from tests.small_flights import small_flights

STEPS = ((tables, "_write_once"), (versions, "register"), (versions, "set_alias"), (versions, "describe"), (refresh, "publish_online"))


def die_after(limit: int) -> None:
    """Wrap every step so that the process is killed when `limit` of them are done."""
    done = 0

    def wrap(step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            result = step(*arguments, **options)
            done += 1
            if done == limit:
                sys.stdout.write(f"killed after step {done}\n")
                sys.stdout.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted

    for module, name in STEPS:
        setattr(module, name, wrap(getattr(module, name)))


if __name__ == "__main__":
    use_cases.flight_delay.USE_CASE = small_flights()
    if int(sys.argv[1]):
        die_after(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
