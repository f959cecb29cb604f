"""Serve the tiny assistant in this process: `python -m tests.serving.run_tiny_assistant <home> <port> <settings as JSON>`.

The registry is a file in `home`.
"""

import json
import logging
import sys
from pathlib import Path

from headrace.serving.__main__ import now, serve
from headrace.serving.server import Pace
from headrace.settings import Settings
from tests.serving.tiny import FileRegistry, tiny_settings
from tests.serving.tiny_assistant import ASSISTANT, load_chain

if __name__ == "__main__":
    logging.basicConfig(level="INFO")
    home, port = Path(sys.argv[1]), int(sys.argv[2])
    changes = json.loads(sys.argv[3])
    settings = Settings.model_validate({**tiny_settings(home).model_dump(), "serving_port": port, **changes})
    pace = Pace(poll_seconds=0.1, drain_seconds=0.1, segment_seconds=0.3)
    serve(settings, ASSISTANT, find_champion=FileRegistry(home / "champion.json").find_champion, clock=now, pace=pace, load=load_chain)
