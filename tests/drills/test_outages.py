"""What a run depends on goes away for a while: server, database, disk."""

import os
import time

import pytest

from tests.drills.rig import wait_until
from tests.operations.environment import run_verb


def test_a_server_killed_in_the_middle_of_a_run_is_back_and_the_run_goes_on(rig):
    run = rig.start()
    rig.wait_for_refine(run)
    rig.kill("prefect-server")
    rig.figures["server killed, until it answers"] = wait_until(lambda: bool(rig.read_run(run)), "the server to be back")
    assert rig.wait(run) == "Completed"
    rig.check_tables()


def test_a_database_that_is_away_for_a_minute_loses_nothing(rig):
    run = rig.start()
    rig.wait_for_refine(run)
    with rig.stopped("postgres", seconds=60):
        pass
    back = time.monotonic()
    end = rig.wait(run)
    rig.figures["database away for 60 s, from its return until the run is done"] = time.monotonic() - back
    if end != "Completed":
        # What gave up while its database was away is caught up by the next run.
        assert rig.wait(rig.start()) == "Completed"
    rig.check_tables()


def test_a_full_disk_stops_the_work_and_its_end_lets_it_go_on(rig):
    home = rig.settings.home
    if not os.path.ismount(home):
        pytest.skip("this user may not mount a disk of its own to fill up; run make drills as root")
    run = rig.start()
    rig.wait_for_refine(run)
    filler = home / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 1_000_000)
                file.flush()
        except OSError:
            pass
    try:
        time.sleep(45)
    finally:
        filler.unlink(missing_ok=True)
    back = time.monotonic()
    wait_until(lambda: bool(rig.read_run(run)), "the server to be back")
    if rig.wait(run) != "Completed":
        # What gave up meanwhile is caught up by the next run.
        assert rig.wait(rig.start()) == "Completed"
    rig.figures["disk full for 45 s, from its end until the work is done"] = time.monotonic() - back
    rig.check_tables()
    said = run_verb(rig.settings, "-m", "operations", "status")
    assert said.returncode == 0, said.stdout
