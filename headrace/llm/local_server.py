"""A language model of this machine's own, behind the same HTTP door as one of somebody else's.

The server is a child process: it starts within seconds, holds one model, answers on loopback only, asks for a key that is
made for it alone, and ends with whoever started it, also when that one is killed.
"""

import json
import logging
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headrace.errors import ServerError
from headrace.settings import ROOT

logger = logging.getLogger(__name__)

# It takes one second by itself; a machine may be busy with much else.
START_SECONDS = 120.0
_END_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class LocalServer:
    """A server that answers.

    Attributes:
        address: Where its OpenAI schema begins, `http://127.0.0.1:<port>/v1`.
        api_key: What a caller shows it.
        process: Its process.
    """

    address: str
    api_key: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None


@contextmanager
def serve(model_path: Path, *, model_name: str, log_path: Path, threads: int = 1, context_tokens: int = 2048) -> Generator[LocalServer]:
    """A server for the length of a block.

    Args:
        model_path: The model, a GGUF file.
        model_name: By which callers ask for it.
        log_path: Where llama.cpp says what went wrong; it gets no prompt and no answer.
        threads: Of the computation; more than one only where as many cores are free.
        context_tokens: Tokens that a prompt and its answer may have together.

    Raises:
        ServerError: The file is no model, or the server did not answer in time.
    """
    api_key = secrets.token_urlsafe(32)
    wish = {
        "model_path": str(model_path),
        "model_name": model_name,
        "api_key": api_key,
        "threads": threads,
        "context_tokens": context_tokens,
    }
    process = _start(log_path)
    try:
        address = _read_address(process, wish, log_path=log_path)
        logger.info("serving %s at %s threads=%d context_tokens=%d", model_name, address, threads, context_tokens)
        yield LocalServer(address=address, api_key=api_key, process=process)
    finally:
        _end(process)


def _start(log_path: Path) -> subprocess.Popen[bytes]:
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "headrace.llm.llama_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
            # Ctrl-C in a terminal is for the parent, which then ends its child.
            start_new_session=True,
        )


def _read_address(process: subprocess.Popen[bytes], wish: Mapping[str, object], *, log_path: Path) -> str:
    """Tell the process what to serve, and wait until it says where."""
    if process.stdin is None or process.stdout is None:
        raise ServerError("the local model server was started without pipes; start it by headrace.llm.local_server.serve only")
    # When it ended at once, what it left in its log says more than a broken pipe.
    try:
        process.stdin.write(json.dumps(wish).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        logger.warning("the local model server ended before it was told what to serve")
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if readable else b""
    if not line:
        came = "it ended" if readable else f"nothing came for {START_SECONDS:.0f} s"
        raise ServerError(
            f"the local server of {wish['model_name']} was to answer, and {came}: {_last_line(log_path)}. "
            f"Look at {log_path} and whether {wish['model_path']} is a GGUF file that llama.cpp knows"
        )
    return f"{json.loads(line)['address']}/v1"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server: its input ends, and it goes by itself; one that does not is killed."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log_path: Path) -> str:
    with log_path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
