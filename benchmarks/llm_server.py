"""What the local model server takes: `make bench-llm-server`.

CPU-seconds of the server's own process, because seconds on the wall say more about what else a machine does. It reads them in
`/proc`, so it runs on Linux only. The prompt is the beginning of this repository's LICENSE, as English prose as any.
"""

import os
import sys
import time
from pathlib import Path

import httpx

from benchmarks.verb import run
from headrace.llm import hub, local_server
from headrace.llm.local_server import LocalServer
from headrace.settings import ROOT, Settings

MODEL = "smollm2-135m-instruct"
PROMPT_WORDS = (60, 250, 500, 900)
ANSWER_TOKENS = 128


def measure(settings: Settings) -> None:
    """Start the server, ask it, and print what each took."""
    path = hub.fetch(settings, MODEL)
    begin = time.monotonic()
    with local_server.serve(path, model_name=MODEL, log_path=settings.find_folder("log", "local_model.log")) as server:
        print(f"start: {read_cpu_seconds(server):.2f} CPU-s, {time.monotonic() - begin:.1f} s on the wall, {read_memory(server)}")
        measure_answers(server)
        print(f"memory at the end: {read_memory(server)}")


def measure_answers(server: LocalServer) -> None:
    """Prompts of several lengths with an answer of one token, then one long answer."""
    words = (ROOT / "LICENSE").read_text(encoding="utf-8").split()
    for count in PROMPT_WORDS:
        # Another beginning each time, or the server would take up what it computed before.
        usage, seconds = ask(server, " ".join([str(count), *words[:count]]), max_tokens=1)
        tokens = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
        print(f"prompt: {tokens:5d} tokens in {seconds:5.2f} CPU-s: {tokens / seconds:3.0f} per CPU-s")
    usage, seconds = ask(server, "Tell me a long story about a mill at a river.", max_tokens=ANSWER_TOKENS)
    tokens = usage["completion_tokens"]
    print(f"answer: {tokens:5d} tokens in {seconds:5.2f} CPU-s: {tokens / seconds:3.0f} per CPU-s, the short prompt included")


def ask(server: LocalServer, text: str, *, max_tokens: int) -> tuple[dict, float]:
    """The usage that the server tells, and the CPU-seconds that it took."""
    before = read_cpu_seconds(server)
    answer = httpx.post(
        f"{server.address}/chat/completions",
        headers={"Authorization": f"Bearer {server.api_key}"},
        json={"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, "temperature": 0},
        timeout=600,
    )
    return answer.raise_for_status().json()["usage"], read_cpu_seconds(server) - before


def read_cpu_seconds(server: LocalServer) -> float:
    """CPU-seconds of the process so far, its threads together."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_memory(server: LocalServer) -> str:
    """Resident memory, and how much of it is no file."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8").splitlines()
    found = {name: int(value.split()[0]) / 1024 for name, _, value in (line.partition(":") for line in lines) if name in ("VmRSS", "RssAnon")}
    return f"{found['VmRSS']:.0f} MB resident, {found['RssAnon']:.0f} of them its own"


if __name__ == "__main__":
    sys.exit(run(measure))
