"""Verbs of the LLM spine: `python -m headrace.llm models [--fetch NAME]` lists the model hub, and fetches an entry.

Exit codes as in `headrace.errors`.
"""

import argparse
import sys
from collections.abc import Sequence

from headrace.errors import HeadraceError
from headrace.llm import hub
from headrace.settings import load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; a person's mistake ends in one sentence, not in a traceback."""
    parser = argparse.ArgumentParser(prog="python -m headrace.llm", description="The LLM spine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    models = verbs.add_parser("models", help="list the model hub")
    models.add_argument("--fetch", metavar="NAME", help="fetch this entry, and say where it lies")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = load_settings()
        said = str(hub.fetch(settings, options.fetch)) if options.fetch else hub.render_entries(settings)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
