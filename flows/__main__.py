"""The verbs behind the Makefile: `python -m flows <verb> --use-case NAME [--as-of INSTANT] ...`.

Exit codes: 0 done, 3 blocked by a gate, 2 wrong usage, 10 and up the errors of `headrace.errors`, 1 anything else.
The environment is `HEADRACE_ENV`, never an argument of a flow.
"""

import argparse
import importlib
import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace import process, servers
from headrace import use_case as use_cases
from headrace.errors import BLOCKED_EXIT_CODE, HeadraceError
from headrace.registry.evidence import SHOWN_DIGITS, Request
from headrace.settings import Settings, load_settings

STAGES = (
    "lifecycle",
    "ingest",
    "refine",
    "featurize",
    "llm_index",
    "llm_evaluate",
    "train",
    "promote",
    "score",
    "monitor",
    "retrain",
    "rollback",
    "verify_environment",
)
REVISED = ("featurize", "llm_index", "score")

# It stands for no slice of data, so it is told no instant.
TIMELESS = ("verify_environment",)

OF_ASSISTANTS = ("llm_index", "llm_evaluate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; a person's mistake ends in one sentence, not in a traceback."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    log: Path | None = None
    try:
        settings = load_settings()
        case = use_cases.load_in(settings, options.use_case)
        if options.verb in OF_ASSISTANTS:
            # Says so where it is none, before any server starts.
            _ = case.chain_spec
        servers.check_up(settings)
        process.prepare(settings)
        log = process.start_logging(settings, name=options.verb)
        if options.verb in RECORDS:
            return RECORDS[options.verb](settings, options)
        process.end_orphaned_servers(settings)
        _show_progress()
        _leave_out_tracebacks()
        return _run_flow(settings, options)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; run the same verb again to go on where it was. Log: {log}\n")
        return 130


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows", description="Run one stage of the lifecycle, or all of them.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in (*STAGES, *RECORDS):
        command = verbs.add_parser(verb)
        command.add_argument("--use-case", required=True)
        if verb not in (*RECORDS, *TIMELESS):
            command.add_argument(
                "--as-of", type=_instant, help="UTC instant the run stands for, for example 2013-07-01; left out: the environment's clock"
            )
        if verb == "llm_evaluate":
            command.add_argument("--limit", type=_count, help="most questions to word answers to, 0: all; left out: as the use case declares")
            command.add_argument("--prompt", type=_name, help="a prompt of the use case to try with the champion's chain, beside its own")
        if verb in REVISED:
            command.add_argument("--revision", type=_revision, default=1, help="higher than before to do a slice again")
        if verb in ("approve", "reject"):
            command.add_argument("--version", type=int, required=True)
            command.add_argument("--evidence", help="hash of the evidence that the person saw; left out: what was asked last")
        if verb == "withdraw":
            command.add_argument("--batch", required=True, help="the bronze batch that refine blocks, as its message names it")
        if verb in ("approve", "reject", "withdraw", "rollback"):
            command.add_argument("--by", required=True, help="the person who decides")
            command.add_argument("--reason", required=True)
    return parser.parse_args(arguments)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant; write 2013-07-01 or 2013-07-01T06:00:00Z") from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _revision(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no revision; write 2 to do a slice again, or more when that was done")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of questions; write 20, or 0 for all")
    return int(text)


def _name(text: str) -> str:
    if not use_cases.NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a prompt; write that of a file in use_cases/<use case>/prompts, for example answer")
    return text


def _run_flow(settings: Settings, options: argparse.Namespace) -> int:
    started = time.monotonic()
    parameters: dict[str, Any] = {"use_case": options.use_case}
    if options.verb not in TIMELESS:
        parameters["as_of"] = options.as_of
    if options.verb == "llm_evaluate":
        parameters |= {"limit": options.limit, "prompt": options.prompt}
    if options.verb in REVISED:
        parameters["revision"] = options.revision
    if options.verb == "rollback":
        parameters |= {"by": options.by, "reason": options.reason}
    _say(f"headrace {options.verb} of {options.use_case} in {settings.environment}; starting Prefect (about 10 s)")
    flow = getattr(importlib.import_module(f"flows.{options.verb}"), options.verb)
    state = flow(**parameters, return_state=True)
    if state.is_completed():
        result = state.result()
        _say(f"done in {time.monotonic() - started:.0f} s: {result.reason}")
        if options.verb == "lifecycle":
            _summarize(settings, options.use_case)
        return 0
    if state.name == "Blocked":
        _say(f"blocked: {state.message}")
        return BLOCKED_EXIT_CODE
    failure = state.result(raise_on_failure=False)
    if isinstance(failure, BaseException):
        raise failure
    _say(f"{state.name}: {state.message}")
    return 1


def _answer(settings: Settings, options: argparse.Namespace) -> int:
    """Write what a person decides about a version; the row is the truth, and a run that waits for it goes on."""
    from headrace.registry import approvals, versions
    from tasks import approval

    case = use_cases.load_in(settings, options.use_case)
    version = versions.read(settings, case, number=options.version)
    request = approvals.read_request(settings, case, version=version)
    if request is not None and options.verb == "approve" and options.evidence is None:
        _show_request(request)
        shown = request.evidence_hash[:SHOWN_DIGITS]
        _say(f"nothing was recorded: an approval names the evidence that was seen. If it is this, type the same again with EVIDENCE={shown}")
        return 2
    answer = approvals.record_answer(
        settings,
        case,
        version=version,
        decision=options.verb,
        approver=options.by,
        reason=options.reason,
        evidence=options.evidence,
        approved_at=datetime.now(UTC),
    )
    _say(f"recorded: {answer.approver} {options.verb}s version {version.number} of {version.name}; {approval.resume(case, version, answer)}")
    return 0


def _show_request(request: Request) -> None:
    """What is asked about a version, figure by figure."""
    _say(f"evidence {request.evidence_hash[:SHOWN_DIGITS]} of {request.requested_at:%Y-%m-%d %H:%M}Z: {request.reason}")
    for name, value in sorted(request.evidence.items()):
        _say(f"  {name:<40} {value if isinstance(value, str) else f'{value:.4g}'}")


def _withdraw(settings: Settings, options: argparse.Namespace) -> int:
    from headrace.lake.refinement import withdraw_batch

    case = use_cases.load_in(settings, options.use_case)
    decision = withdraw_batch(settings, case, bronze_batch=options.batch, by=options.by, reason=options.reason)
    _say(f"recorded: {decision.reason}; the next refine goes on behind it")
    return 0


# Decisions of people that are rows at once; no flow runs.
RECORDS = {"approve": _answer, "reject": _answer, "withdraw": _withdraw}


def _summarize(settings: Settings, use_case: str) -> None:
    from headrace.console.summary import summarize

    _say("\n" + summarize(settings, use_cases.load_in(settings, use_case)))


def _show_progress() -> None:
    """Stage lines go to the terminal, with the seconds since the start in front."""
    started = time.monotonic()

    class _Elapsed(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return f"{time.monotonic() - started:6.1f} s  {record.getMessage()}"

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Elapsed())
    progress = logging.getLogger("headrace.progress")
    progress.addHandler(handler)
    progress.setLevel(logging.INFO)


def _leave_out_tracebacks() -> None:
    """Prefect prints every exception with its way through the engine; a person's mistake is told once, by `main`."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_is_no_mistake)


def _is_no_mistake(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HeadraceError))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
