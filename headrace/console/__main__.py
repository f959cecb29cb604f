"""Look at an environment: `python -m headrace.console <verb> --use-case NAME`.

Verbs: `page`, `quality`, `runs` and `catalog` write a page and say where, `results` gives the monthly figures as Markdown, `evaluation`
those of retrieval and prompts, `summary` the story in fifteen lines, `tables` every table of the environment. `catalog` alone needs no use case: it
then covers all of them.
Exit codes as in `headrace.errors`. The environment is `HEADRACE_ENV`; `--of prod` shows another one's tables instead, drawn with
this one's own credentials.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from headrace import process
from headrace import use_case as use_cases
from headrace.errors import HeadraceError
from headrace.lake.catalog import look_at
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; a person's mistake ends in one sentence, not in a traceback."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = look_at(load_settings(), options.of) if options.of else load_settings()
        sys.stdout.write(_answer(settings, options).rstrip("\n") + "\n")
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m headrace.console", description="Look at an environment; nothing is changed.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, purpose in _VERBS.items():
        command = verbs.add_parser(verb, help=purpose)
        command.add_argument("--use-case", required=verb != "catalog")
        command.add_argument("--of", metavar="ENVIRONMENT", help="look at the tables of another environment, one that `readable` lists")
        if verb in ("results", "evaluation"):
            command.add_argument("--write", type=Path, metavar="PATH", help="write the Markdown there instead of showing it")
    return parser.parse_args(arguments)


_VERBS = {
    "page": "write the page that tells the story",
    "quality": "write the page about data quality",
    "runs": "write the page about runs, versions and what waits for a person",
    "catalog": "write the page of every table and feature, of one use case or of all",
    "results": "the monthly figures, as Markdown",
    "evaluation": "how good each way to retrieve and each prompt was, as Markdown",
    "summary": "the story in fifteen lines",
    "tables": "every table with its rows and version",
}


def _answer(settings: Settings, options: argparse.Namespace) -> str:
    """What the verb has to say; the catalog is about declarations, so it asks for no use case that this environment can run."""
    if options.verb != "catalog":
        case = use_cases.load_in(settings, options.use_case)
        process.prepare(settings)
        return _show(settings, case, options)
    from headrace.console.catalog_page import write_catalog

    process.prepare(settings)
    return write_catalog(settings, options.use_case)


def _show(settings: Settings, case: UseCase, options: argparse.Namespace) -> str:
    """What the verb has to say. Each imports only what it needs."""
    if options.verb == "page":
        from headrace.console.story import write_story

        return str(write_story(settings, case))
    if options.verb == "quality":
        from headrace.console.pages import write_quality_page

        return str(write_quality_page(settings, case))
    if options.verb == "runs":
        from headrace.console.runs_page import write_runs_page

        return str(write_runs_page(settings, case))
    if options.verb == "tables":
        return _list_tables(settings)
    if options.verb == "evaluation":
        from headrace.console.evaluation import render_evaluation, write_evaluation

        # Refuses a use case that answers from no documents, before the document of another is written over.
        _ = case.chain_spec
        return str(write_evaluation(settings, case, options.write)) if options.write else render_evaluation(settings, case)
    if options.verb == "summary":
        from headrace.console.summary import summarize

        return summarize(settings, case)
    from headrace.console.figures import render_monthly_figures, write_figures

    return str(write_figures(settings, case, options.write)) if options.write else render_monthly_figures(settings, case)


def _list_tables(settings: Settings) -> str:
    from headrace.console.facts import read_tables

    found = read_tables(settings)
    if found.is_empty():
        return f"{settings.seen} has no table yet; make run fills it"
    width = max(len(table) for table in found["table"])
    lines = [f"{'layer':<10}{'table':<{width}}{'rows':>12}{'version':>9}"]
    lines += [f"{row['layer']:<10}{row['table']:<{width}}{row['row_count']:>12,}{row['version']:>9}" for row in found.iter_rows(named=True)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
