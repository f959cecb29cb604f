"""How a benchmark runs: on the settings of its environment, and a person's mistake ends in one sentence, not in a traceback."""

import sys
from collections.abc import Callable

from headrace.errors import HeadraceError
from headrace.settings import Settings, load_settings


def run(measure: Callable[[Settings], int | None]) -> int:
    """Measure; the exit code.

    Args:
        measure: Prints what it measured, and returns an exit code where that may be another than 0.
    """
    try:
        return measure(load_settings()) or 0
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
