"""The process of a local model server: llama.cpp with the OpenAI schema, on a free loopback port, until its parent is gone.

`headrace.llm.local_server` starts it. What it serves comes as one line of JSON on its standard input, so that the key is in no
argument and no variable; where it serves goes back as one line on its standard output. That input then stays open: when it
ends, because the parent closed it or was killed, this process ends too.
"""

import json
import os
import select
import sys
from typing import IO, Any

# How often the parent is looked for, in case another process of its own keeps the input open after it.
_SECONDS = 1.0


def main() -> int:
    """Serve what the first line of the input asks for; the exit code is 0 once the parent has gone."""
    # llama.cpp writes to both outputs as it likes, so the answer gets one of its own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # A bare pipe, because what a buffer has taken `select` does not see.
    wishes = os.fdopen(os.dup(0), "rb", buffering=0)
    server = start(json.loads(wishes.readline()))
    answers.write(json.dumps({"address": server.listening_address}) + "\n")
    answers.flush()
    wait_for_end(wishes, parent=os.getppid())
    # Ending in the ordinary way would wait for calls that nobody waits for any more.
    os._exit(0)


def start(wish: dict[str, Any]) -> Any:
    """The server that is asked for, ready to answer.

    Args:
        wish: `model_path`, `model_name`, `api_key`, `threads`, `context_tokens`.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()  # ty: ignore[missing-attribute] - compiled, without stubs
    params.model.path = wish["model_path"]
    params.model_alias = {wish["model_name"]}
    params.api_keys = [wish["api_key"]]
    params.n_ctx = wish["context_tokens"]
    params.n_batch = min(512, wish["context_tokens"])
    # Its threads wait for each other by spinning: two of them on a shared core made tokens twelve times slower than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = wish["threads"]
    params.n_parallel = 1
    params.n_threads_http = 4
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # Prompts that were answered would be kept in up to 8 GB; a prompt's beginning is reused within its slot all the same.
    params.cache_ram_mib = 0
    # A page nobody needs, slots that show the prompts of others, and origins that a browser could call from.
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.cors_origins = ""
    params.warmup = params.fit_params = False
    params.verbosity = 1
    return xllamacpp.Server(params)  # ty: ignore[missing-attribute] - compiled, without stubs


def wait_for_end(wishes: IO[bytes], *, parent: int) -> None:
    """Return when the input ends or the parent is another process than it was."""
    while os.getppid() == parent:
        readable, _, _ = select.select([wishes], [], [], _SECONDS)
        if readable and not wishes.readline():
            return


if __name__ == "__main__":
    sys.exit(main())
