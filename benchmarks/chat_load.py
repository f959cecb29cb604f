"""Many questions at a running assistant, and whether each answer is in the lake: `make bench-chat` (`make serve USE_CASE=docs_assistant` first).

Questions are those of the use case, asked over and over by quotation alone, from several connections at once. Each is timed as a caller
sees it: sent, retrieved, quoted, logged, synced, answered. Afterwards the log is drained and each request id is counted in the requests table,
traces are published and each is looked for in MLflow.
Beside the times stands the bare minimum on the same machine, at the same moment: `GET /v1/models`, which retrieves and logs nothing.
"""

import argparse
import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import polars as pl

from benchmarks.verb import run
from headrace import use_case as use_cases
from headrace.errors import ServingError
from headrace.lake import tables
from headrace.llm.traces import find_traces, name_trace, publish_traces
from headrace.serving.drain import drain
from headrace.serving.request_rows import requests_table
from headrace.settings import Settings
from headrace.use_case import UseCase

CALLS, CONNECTIONS = 10_000, 8
BARE_CALLS = 500

# A server that is killed and started again has drained its log by then.
_PATIENCE_SECONDS = 180


@dataclass
class Told:
    """What callers were told.

    Attributes:
        request_ids: Ids of the answers.
        milliseconds: Time of each call, as its caller saw it.
        unanswered: Questions that the documents do not answer.
        refused: What else came.
    """

    request_ids: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, count, and say so; 1 where an answer is missing, twice there, or was refused."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chat_load", description="Load on a running assistant.")
    parser.add_argument("--use-case", default="docs_assistant")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    chosen = parser.parse_args(arguments)

    def measure_chosen(settings: Settings) -> int:
        return measure(settings, use_cases.load_in(settings, chosen.use_case), calls=chosen.calls, connections=chosen.connections)

    return run(measure_chosen)


def measure(settings: Settings, case: UseCase, *, calls: int, connections: int) -> int:
    """Run the load against the environment's own server and look for every answer.

    Args:
        settings: The environment; its server must be up.
        case: The assistant.
        calls: Number of questions.
        connections: How many are under way at once.

    Returns:
        0 where every answer is in the table exactly once.

    Raises:
        ServingError: No server answers, or there are no questions to ask.
    """
    url = f"http://{settings.serving_host}:{settings.serving_port}"
    questions = read_questions(settings, case)
    bare = _time_bare(url)
    told, figures_of_rounds = Told(), {}
    # The first time that a question comes, its sections are read and looked at anew.
    rounds = {"first": min(calls, len(questions)), "again": max(0, calls - len(questions))}
    for name, count in rounds.items():
        figures_of_rounds |= _ask_round(url, questions, told, name=name, calls=count, connections=connections)
    counts = count_rows(settings, case, told.request_ids)
    missing, twice = sum(count == 0 for count in counts.values()), sum(count > 1 for count in counts.values())
    traced_ms, untraced = trace(settings, case, told.request_ids)
    figures = {
        "use_case": case.name,
        "environment": settings.environment,
        "calls": calls,
        "connections": connections,
        "answered": len(told.request_ids),
        "said_not_to_know": len(told.unanswered),
        "refused": len(told.refused),
        "missing_in_table": missing,
        "more_than_once_in_table": twice,
        "without_trace": untraced,
        "trace_cpu_ms_per_answer": traced_ms,
        **figures_of_rounds,
        "bare_p50_ms": _quantile(bare, 50),
        "bare_p95_ms": _quantile(bare, 95),
        "caller_cpu_s": round(resource.getrusage(resource.RUSAGE_SELF).ru_utime, 1),
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    for sentence in told.refused[:3]:
        sys.stderr.write(f"refused: {sentence}\n")
    is_whole = not (missing or twice or untraced or told.refused) and len(told.request_ids) == calls
    sys.stdout.write("every answer is in the table exactly once, and has its trace\n" if is_whole else "NOT every answer is there exactly once\n")
    return 0 if is_whole else 1


def read_questions(settings: Settings, case: UseCase) -> list[str]:
    """The use case's own questions, in the order of their ids."""
    found = tables.read(settings, case.table("silver", "questions")).select("question_id", "question").sort("question_id").collect()
    if found.is_empty():
        raise ServingError(f"{case.name} has no questions in {settings.environment}; run make run USE_CASE={case.name} first")
    return found["question"].to_list()


def _ask_round(url: str, questions: Sequence[str], told: Told, *, name: str, calls: int, connections: int) -> dict[str, float | None]:
    """Ask so many questions, and say what it took: callers' time, and the server's processor time."""
    earlier, cpu, began = len(told.milliseconds), _read_cpu(url), time.perf_counter()
    ask_all(url, questions, told, calls=calls, connections=connections)
    seconds, milliseconds = time.perf_counter() - began, told.milliseconds[earlier:]
    return {
        f"{name}_p50_ms": _quantile(milliseconds, 50),
        f"{name}_p95_ms": _quantile(milliseconds, 95),
        f"{name}_server_cpu_ms_per_answer": round((_read_cpu(url) - cpu) * 1_000 / calls, 1) if calls else None,
        f"{name}_calls_per_second": round(calls / seconds, 1) if calls else None,
    }


def _read_cpu(url: str) -> float:
    """Processor time that the server has taken, in seconds."""
    return float(httpx.get(f"{url}/health", timeout=60).json()["cpu_seconds"])


def ask_all(url: str, questions: Sequence[str], told: Told, *, calls: int, connections: int) -> None:
    """Ask the questions over and over, from so many connections at once, and note what is told."""
    turns, lock = iter(range(calls)), threading.Lock()

    def work() -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while True:
                with lock:
                    turn = next(turns, None)
                if turn is None:
                    return
                _ask(client, questions[turn % len(questions)], told)

    workers = [threading.Thread(target=work) for _ in range(connections)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def count_rows(settings: Settings, case: UseCase, request_ids: Sequence[str]) -> dict[str, int]:
    """How often each answer is in the table, once the server has let go of its log: it closes a segment after a minute."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        drain(settings, case)
        stored = tables.read(settings, requests_table(case.name)).select("request_id").collect()
        counts = dict(stored.group_by("request_id").agg(pl.len()).rows())
        found = {request_id: counts.get(f"{request_id}/0", 0) for request_id in request_ids}
        if all(found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(2)


def trace(settings: Settings, case: UseCase, request_ids: Sequence[str]) -> tuple[float | None, int]:
    """Publish traces; milliseconds of processor time per published answer, and how many of the asked have none in MLflow."""
    began = time.process_time()
    published = publish_traces(settings, case, now=datetime.now(UTC))
    milliseconds = (time.process_time() - began) * 1_000
    found = find_traces(settings, case)
    untraced = sum(name_trace(f"{request_id}/0") not in found for request_id in request_ids)
    return round(milliseconds / published, 2) if published else None, untraced


def _ask(client: httpx.Client, question: str, told: Told) -> None:
    began = time.perf_counter()
    try:
        response = client.post("/chat", json={"question": question})
    except httpx.TransportError as error:
        told.refused.append(repr(error))
        return
    told.milliseconds.append((time.perf_counter() - began) * 1_000)
    if response.status_code != 200:
        told.refused.append(response.text)
        return
    reply = response.json()
    told.request_ids.append(reply["request_id"])
    if not reply["is_answered"]:
        told.unanswered.append(reply["request_id"])


def _time_bare(url: str) -> list[float]:
    """Milliseconds of calls that do nothing, one after the other."""
    found = []
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            for _ in range(BARE_CALLS):
                began = time.perf_counter()
                client.get("/v1/models").raise_for_status()
                found.append((time.perf_counter() - began) * 1_000)
    except httpx.HTTPError as error:
        raise ServingError(f"no assistant answers at {url} ({error!r}); start it with make serve USE_CASE=docs_assistant") from error
    return found


def _quantile(values: Sequence[float], share: int) -> float | None:
    return round(statistics.quantiles(values, n=100)[share - 1], 2) if len(values) > 1 else None


if __name__ == "__main__":
    sys.exit(main())
