"""The verbs of an engineer: `python -m operations <verb> ...`, each a module of its own.

A module of `VERBS` says what its arguments are (`configure`) and does it (`run`, which returns the exit code). The environment
is `HEADRACE_ENV`. Exit codes: 0 done, 2 wrong usage, 10 and up the errors of `headrace.errors`, 1 anything else.
"""

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence

from headrace import process
from headrace.errors import HeadraceError
from headrace.settings import load_settings

# Verb -> its module.
VERBS: Mapping[str, str] = {
    "up": "operations.up",
    "down": "operations.down",
    "status": "operations.status",
    "s3": "operations.s3",
    "deploy": "operations.deploy",
    "diff": "operations.diff",
    "undeploy": "operations.undeploy",
    "release": "operations.cut",
    "verdict": "operations.verdict",
    "backup": "operations.backup",
    "restore": "operations.restore",
    "reset": "operations.reset",
}

# What prepares a verb writes into the folder that this one deletes, and asks for credentials that may be gone.
_UNPREPARED = ("reset",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; a person's mistake ends in one sentence, not in a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m operations", description="Run what belongs to an environment, not to a use case.")
    parser.add_argument("verb", choices=sorted(VERBS))
    verb = parser.parse_args(given[:1]).verb
    module = importlib.import_module(VERBS[verb])
    command = argparse.ArgumentParser(prog=f"python -m operations {verb}", description=module.__doc__)
    module.configure(command)
    options = command.parse_args(given[1:])
    try:
        settings = load_settings()
        if verb not in _UNPREPARED:
            process.prepare(settings)
            process.start_logging(settings, name=verb)
        return int(module.run(settings, options))
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
