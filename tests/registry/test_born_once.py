"""The model server looks for a champion while the first training makes the registry."""

import subprocess
import sys
import time

from headrace.settings import ROOT, load_settings

# Imports first: what is raced for is the making of the tables.
LOOK = """
import sys, time
from pathlib import Path
import mlflow
from headrace.registry.client import open_client
print("ready", flush=True)
sys.stdin.readline()
open_client(sys.argv[1])
"""


def test_two_processes_that_come_at_once_make_one_registry(tmp_path):
    settings = load_settings("dev", home=tmp_path, variables={})
    command = [sys.executable, "-c", LOOK, settings.registry_uri]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(0.2)
    ended = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ended
