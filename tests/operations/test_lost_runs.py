"""How resumptions are counted, and how the process of a run is found. What is done with that: `test_watch_on_a_server.py`."""

import os
import subprocess
import sys

from operations.lost_runs import RESUMED, count_resumptions, list_processes


def test_a_resumption_that_a_late_report_of_the_crash_undid_does_not_count():
    states = [{"name": name, "type": kind} for name, kind in (("Crashed", "CRASHED"), (RESUMED, "SCHEDULED"), ("Crashed", "CRASHED"))]
    assert count_resumptions(states) == 0
    states += [{"name": RESUMED, "type": "SCHEDULED"}, {"name": "Pending", "type": "PENDING"}, {"name": "Crashed", "type": "CRASHED"}]
    assert count_resumptions(states) == 1


def test_the_process_of_a_run_is_found_by_its_variable():
    program = [sys.executable, "-c", "import time; time.sleep(60)  # as prefect does"]
    other = [sys.executable, "-c", "import time; time.sleep(60)  # started by a flow"]
    variables = {**os.environ, "PREFECT__FLOW_RUN_ID": "0a1b"}
    with subprocess.Popen(program, env=variables) as engine, subprocess.Popen(other, env=variables) as child:
        try:
            found = list_processes()
        finally:
            engine.kill()
            child.kill()
    assert found["0a1b"] == engine.pid
