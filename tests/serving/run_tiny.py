"""Serve the tiny use case in this process: `python -m tests.serving.run_tiny <home> <settings as JSON>`; the registry is a file in `home`."""

import json
import logging
import sys
from pathlib import Path

from headrace.serving.__main__ import now, serve
from headrace.serving.model_watcher import LoadCandidate
from headrace.serving.server import Pace
from headrace.settings import Settings
from headrace.use_case import UseCase
from tests.serving.tiny import TINY, FileRegistry, tiny_settings


def run(case: UseCase, *, load: LoadCandidate | None = None) -> None:
    """Serve what the command line asks for until the process is told to end."""
    logging.basicConfig(level="INFO")
    home, changes = Path(sys.argv[1]), json.loads(sys.argv[2])
    settings = Settings.model_validate({**tiny_settings(home).model_dump(), **changes})
    pace = Pace(poll_seconds=0.1, drain_seconds=0.1, segment_seconds=0.3)
    serve(settings, case, find_champion=FileRegistry(home / "champion.json").find_champion, clock=now, pace=pace, load=load)


if __name__ == "__main__":
    run(TINY)
