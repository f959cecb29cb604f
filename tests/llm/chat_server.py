"""A real HTTP server with the chat schema, which answers as it is told to: with parts, limits, silence, or broken off.

`python -m tests.llm.chat_server <seconds> <text>` is one in a process of its own: it says its address, and takes so long between two words.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class ChatServer:
    """What it was asked, and what it answers next; the last reply is given for ever."""

    address: str
    replies: list[Reply]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


def part(text: str | None = None, *, end: str | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "served-1", "choices": [{"index": 0, "delta": {"content": text} if text is not None else {}, "finish_reason": end}], **more}


def encode(*parts: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(found, ensure_ascii=False).encode() + b"\n\n" for found in parts)


def stream(*parts: dict[str, Any] | bytes, is_done: bool = True, pause_s: float = 0.0) -> Reply:
    """Server-sent events; bytes are sent as they are."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        send_head(handler, 200, "text/event-stream; charset=utf-8")
        for found in parts:
            handler.wfile.write(found if isinstance(found, bytes) else encode(found))
            handler.wfile.flush()
            time.sleep(pause_s)
        if is_done:
            handler.wfile.write(b"data: [DONE]\n\n")

    return reply


def answer(*texts: str, usage: dict[str, Any] | None = USAGE) -> Reply:
    """A whole answer, as OpenAI streams it."""
    last = [{"choices": [], "usage": usage}] if usage else []
    return stream({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}, *map(part, texts), part(end="stop"), *last)


def status(code: int, body: Any = None, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        send_head(handler, code, "application/json", **{name.replace("_", "-"): value for name, value in headers.items()})
        handler.wfile.write(content)

    return reply


def silence(seconds: float) -> Reply:
    return lambda handler: time.sleep(seconds)


def send_head(handler: BaseHTTPRequestHandler, code: int, content_type: str, **headers: str) -> None:
    handler.send_response(code)
    for name, value in {"Content-Type": content_type, "Connection": "close", **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()


@contextmanager
def run(*replies: Reply) -> Iterator[ChatServer]:
    """A server on a free port that gives these replies in order."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.paths.append(self.path)
            server.keys.append(self.headers.get("Authorization"))
            server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            reply = server.replies[min(len(server.bodies), len(server.replies)) - 1]
            try:
                reply(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = ChatServer(address=f"http://127.0.0.1:{http.server_port}/v1", replies=list(replies))
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@contextmanager
def run_process(text: str, *, pause_s: float = 0.0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server in a process of its own that always says the same, and that process."""
    process = subprocess.Popen([sys.executable, "-m", "tests.llm.chat_server", str(pause_s), text], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    parts = [part(f"{word} ") for word in sys.argv[2].split(" ")]
    with run(stream(*parts, part(end="stop"), {"choices": [], "usage": USAGE}, pause_s=float(sys.argv[1]))) as server:
        sys.stdout.write(f"{server.address}\n")
        sys.stdout.flush()
        threading.Event().wait()
