"""Verbs of the LLM spine, `python -m headrace.llm <verb>`.

    models [--fetch NAME]            lists the model hub, and fetches an entry
    review --use-case NAME [...]     lists the feedback that waits for a person, or records a decision
    traces --use-case NAME           publishes the traces of logged answers in MLflow

Exit codes as in `headrace.errors`.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from headrace import process, servers
from headrace import use_case as use_cases
from headrace.errors import HeadraceError
from headrace.llm import hub
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase
from headrace.words import format_count


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
    traces = verbs.add_parser("traces", help="publish the traces of answers that have none yet")
    traces.add_argument("--use-case", required=True, help="name of a folder in use_cases/")
    return parser.parse_args(arguments)


def _answer(settings: Settings, options: argparse.Namespace) -> str:
    if options.verb == "models":
        return str(hub.fetch(settings, options.fetch)) if options.fetch else hub.render_entries(settings)
    process.prepare(settings)
    case = use_cases.load_in(settings, options.use_case)
    # Says so where it is no assistant.
    _ = case.chain_spec
    if options.verb == "traces":
        return _publish_traces(settings, case)
    from headrace.llm.review_verb import review

    given = {"decision": options.decision, "section": options.section, "by": options.by, "reason": options.reason}
    return review(settings, case, feedback_id=options.feedback, **given)


def _publish_traces(settings: Settings, case: UseCase) -> str:
    from headrace.llm.traces import experiment_name, publish_traces
    from headrace.serving.drain import drain

    servers.check_up(settings)
    drain(settings, case)
    count = publish_traces(settings, case, now=datetime.now(UTC))
    return f"published {format_count(count, 'trace')} in the experiment {experiment_name(settings, case)}; make ui-mlflow shows them"


if __name__ == "__main__":
    sys.exit(main())
