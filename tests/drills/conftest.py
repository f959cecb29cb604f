"""One environment for all drills: it takes a minute to start, and recovering in place is the point."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from operations import processes
from operations.down import stop_environment
from operations.up import start_environment
from tests.drills.rig import LOCAL, Rig
from tests.operations.environment import configure, new_home, run_verb

# All of an environment at rest takes 250 MB; the rest is for the drills, which each copy a lake of 10 MB.
DISK_MB = 1200


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("drill")


@pytest.fixture(scope="session")
def small_disk():
    """A home on a disk of its own that can be filled up, where this machine lets us mount one; else a plain folder."""
    with new_home() as home:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=711", "tmpfs", str(home)], capture_output=True, check=False)
        yield home
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(home)], check=True)


@pytest.fixture(scope="session")
def rig(small_disk):
    settings = configure(small_disk, "staging", **LOCAL)
    try:
        start_environment(settings)
        rig = Rig(settings=settings, deployments=deploy(settings))
        rig.prepare()
        yield rig
        print("\n" + "\n".join(f"{name:<60}{seconds:>8.1f} s" for name, seconds in rig.figures.items()))
    finally:
        keep_logs(settings)
        try:
            stop_environment(settings)
        finally:
            processes.end_processes(processes.find_marked(settings), patience_seconds=5)


def deploy(settings):
    """`lifecycle` and `ingest` as `prefect.yaml` declares them for this clone's last commit, and a twin without a limit, so that two runs can meet.

    What events start is left out: it would change the lake beside the drill.
    """
    done = run_verb(settings, "-m", "tests.drills.deploy")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def keep_logs(settings):
    """Copy the logs to where `KEEP_LOGS` says, because the home they lie in is deleted."""
    if kept := os.environ.get("KEEP_LOGS"):
        shutil.copytree(settings.environment_home / "log", Path(kept) / f"{time.time():.0f}", dirs_exist_ok=True)


@pytest.fixture(autouse=True)
def settled(request):
    """Every drill starts where the first tick ended, and leaves nothing stuck."""
    if "rig" not in request.fixturenames:
        yield
        return
    rig = request.getfixturevalue("rig")
    rig.restore()
    yield
    rig.check_settled()
