"""Processes are killed, one and two at a time: the run is finished by itself, once."""

import os
import signal
import time

from operations.lost_runs import list_processes
from tests.drills.rig import wait_until


def wait_for_another(run, killed):
    """Wait until a process works on a run that is not the killed one; returns how long it took (seconds)."""
    return wait_until(lambda: list_processes().get(run, killed) != killed, f"run {run} to be resumed")


def test_a_killed_flow_process_is_resumed(rig):
    run = rig.start()
    flow = rig.wait_for_refine(run)
    os.kill(flow, signal.SIGKILL)
    killed = time.monotonic()
    rig.figures["flow process killed, until it works again"] = wait_for_another(run, flow)
    assert rig.wait(run) == "Completed"
    rig.figures["flow process killed, until its work is done"] = time.monotonic() - killed
    assert {"Crashed", "Resumed"} <= set(rig.read_states(run))
    rig.check_tables()


def test_a_flow_whose_worker_was_killed_works_on_and_is_not_doubled(rig):
    run = rig.start()
    orphan = rig.wait_for_refine(run)
    rig.kill("worker")
    assert rig.wait(run) == "Completed"
    assert "Resumed" not in rig.read_states(run)
    assert rig.read_run(run)["run_count"] == 1
    assert list_processes().get(run, orphan) == orphan
    rig.check_tables()


def test_worker_and_flow_killed_at_once_are_both_back(rig):
    run = rig.start()
    flow = rig.wait_for_refine(run)
    rig.kill("worker")
    os.kill(flow, signal.SIGKILL)
    rig.figures["worker and flow killed, until it works again"] = wait_for_another(run, flow)
    assert rig.wait(run) == "Completed"
    assert "Resumed" in rig.read_states(run)
    rig.check_tables()


def test_everything_killed_at_once_as_by_a_power_cut_is_back(rig):
    run = rig.start()
    flow = rig.wait_for_refine(run)
    for service in ("watcher", "worker", "prefect-server", "postgres"):
        rig.kill(service)
    os.kill(flow, signal.SIGKILL)
    rig.figures["all services and the flow killed, until it works again"] = wait_for_another(run, flow)
    assert rig.wait(run) == "Completed"
    rig.check_tables()


def test_two_runs_of_one_stage_at_once_leave_what_one_leaves(rig):
    runs = [rig.start("twin"), rig.start("twin")]
    wait_until(lambda: set(runs) <= set(list_processes()), "both to work at once")
    ends = [rig.wait(run) for run in runs]
    assert "Completed" in ends
    rig.check_tables()
