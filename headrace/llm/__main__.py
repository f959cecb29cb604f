"""Verbs of the LLM spine, `python -m headrace.llm <verb>`.

    models [--fetch NAME]            lists the model hub, and fetches an entry
    review --use-case NAME [...]     lists the feedback that waits for a person, or records a decision

Exit codes as in `headrace.errors`.
"""

import argparse
import sys
from collections.abc import Sequence

from headrace import process
from headrace import use_case as use_cases
from headrace.errors import HeadraceError
from headrace.llm import hub
from headrace.settings import Settings, load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; a person's mistake ends in one sentence, not in a traceback."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        said = _answer(load_settings(), options)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{said}\n")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m headrace.llm", description="The LLM spine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    models = verbs.add_parser("models", help="list the model hub")
    models.add_argument("--fetch", metavar="NAME", help="fetch this entry, and say where it lies")
    review = verbs.add_parser("review", help="list the feedback that waits for a person, or decide about one")
    review.add_argument("--use-case", required=True, help="name of a folder in use_cases/")
    review.add_argument("--feedback", metavar="ID", help="the feedback to decide about; left out, what waits is listed")
    review.add_argument("--decision", help="accept or reject")
    review.add_argument("--section", metavar="ID", help="the section that holds the answer, or none")
    review.add_argument("--by", help="who decides")
    review.add_argument("--reason", help="why")
    return parser.parse_args(arguments)


def _answer(settings: Settings, options: argparse.Namespace) -> str:
    if options.verb == "models":
        return str(hub.fetch(settings, options.fetch)) if options.fetch else hub.render_entries(settings)
    from headrace.llm.review_verb import review

    process.prepare(settings)
    case = use_cases.load_in(settings, options.use_case)
    given = {"decision": options.decision, "section": options.section, "by": options.by, "reason": options.reason}
    return review(settings, case, feedback_id=options.feedback, **given)


if __name__ == "__main__":
    sys.exit(main())
