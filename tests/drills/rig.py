"""What every drill needs: a real environment with the small flights deployed, ways to break it, and what must hold at the end.

The environment is staging on PostgreSQL with the use case's declared subset and a replay clock, so a run of its `lifecycle` moves the
lake from one tick to the next. Before each drill the lake is put back to where the first tick left it; after it, every table must
equal, row for row, those of a run that nothing disturbed.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.lifecycle import compare_tables, list_tables
from headrace import use_case as use_cases
from headrace.settings import Settings, load_settings
from operations import processes, supervisor
from operations.lost_runs import list_processes
from tests.operations.environment import prefect_api, run_verb, start_run

USE_CASE = "flight_delay"
LOCAL = {"clock": "replay", "approval": "automatic", "subset": True, "reads_from": None, "schedules": {}, "threads": 1}

# A machine that has much else to do takes minutes for what takes seconds.
PATIENCE_SECONDS = 420

# After a run has ended, what it left open is closed a minute later, and a lease runs out after five.
SETTLING_SECONDS = 150

_OPEN = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
_KEPT = ("lake", "online")


@dataclass
class Rig:
    """A deployed environment and what it is compared with.

    Attributes:
        settings: The environment.
        deployments: Name -> id of what is deployed.
        figures: What was measured: name -> seconds.
    """

    settings: Settings
    deployments: dict[str, str]
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def undisturbed(self) -> Settings:
        """The same environment in another home: what its lake looks like when nothing goes wrong."""
        return load_settings(self.settings.environment, home=self.settings.home / "undisturbed", variables={})

    def prepare(self) -> None:
        """Run the first tick, keep that, run the second undisturbed, keep that too, and go back to the first."""
        first, second = self._ticks()
        said = run_verb(self.settings, "-m", "flows", "lifecycle", "--use-case", USE_CASE, "--as-of", first)
        assert said.returncode == 0, said.stdout + said.stderr
        self._copy(self.settings.environment_home, self._base)
        run = self.start("lifecycle", as_of=second)
        assert self.wait(run) == "Completed"
        self._copy(self.settings.environment_home, self.undisturbed.environment_home)
        assert len(list_tables(self.undisturbed)) > 15
        self.restore()

    def restore(self) -> None:
        """Put the lake back to where the first tick left it."""
        self.clear()
        self._copy(self._base, self.settings.environment_home)

    def clear(self) -> None:
        """Empty the lake."""
        for name in _KEPT:
            shutil.rmtree(self.settings.environment_home / name, ignore_errors=True)

    def start(self, deployment: str = "lifecycle", **parameters: Any) -> str:
        """Ask for a run of a deployment, of the second tick unless told otherwise; returns its id."""
        parameters = {"use_case": USE_CASE, "as_of": self._ticks()[1]} | parameters
        return start_run(self.settings, self.deployments[deployment], **parameters)

    def wait(self, run: str, *wanted: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait until a run has ended, or is in a wanted state; returns the state's name. A server that is away is waited for too."""
        ends = wanted or ("Completed", "Failed", "Blocked", "Cancelled", "TimedOut")
        wait_until(lambda: self.read_run(run)["state_name"] in ends, f"run {run} to end", seconds=seconds, seen=lambda: self.read_states(run))
        return self.read_run(run)["state_name"]

    def wait_for_refine(self, run: str) -> int:
        """Wait until a run is in the middle of its work: bronze is written, silver begun; returns its process."""
        log = self.settings.lake_root / "silver" / f"{USE_CASE}_flight_schedules" / "_delta_log"
        before = len(list(log.glob("*.json")))
        wait_until(lambda: len(list(log.glob("*.json"))) > before, f"run {run} to write silver")
        return list_processes()[run]

    def read_run(self, run: str) -> dict[str, Any]:
        """A flow run as the server has it."""
        with prefect_api(self.settings) as api:
            return api.get(f"/flow_runs/{run}").raise_for_status().json()

    def read_states(self, run: str) -> list[str]:
        """Names of the states that a run has been in, oldest first."""
        with prefect_api(self.settings) as api:
            states = api.get("/flow_run_states/", params={"flow_run_id": run}).raise_for_status().json()
        return [state["name"] for state in sorted(states, key=lambda state: state["timestamp"])]

    def kill(self, service: str) -> None:
        """SIGKILL a service; its keeper starts it again."""
        os.kill(supervisor.read_states(self.settings)[service].pid, signal.SIGKILL)

    @contextmanager
    def stopped(self, service: str, *, seconds: float) -> Iterator[None]:
        """Keep a service away for so long, at least."""
        supervisor.stop(self.settings, service)
        until = time.monotonic() + seconds
        try:
            yield
            time.sleep(max(0.0, until - time.monotonic()))
        finally:
            supervisor.start(self.settings, service)

    def check_tables(self) -> None:
        """Every table equals that of the undisturbed run, row for row, volatile columns aside."""
        assert compare_tables(self.settings, self.undisturbed) == []

    def check_settled(self) -> None:
        """No run says that it is worked on while nobody does, and no slot is held."""
        wait_until(lambda: self.list_unsettled() == [], "runs and slots to be settled", seconds=SETTLING_SECONDS, seen=self.list_unsettled)

    def list_flows(self) -> dict[str, int]:
        """Runs of this environment that a process works on: other environments may be at work on this machine."""
        ours = set(processes.find_marked(self.settings))
        return {run: pid for run, pid in list_processes().items() if pid in ours}

    def list_unsettled(self) -> list[str]:
        """Runs, task runs, processes and limits that are not at rest."""
        with prefect_api(self.settings) as api:
            found = [f"{row['name']} {row['state_name']}" for row in _post(api, "/flow_runs/filter", {"flow_runs": _OPEN})]
            found += [f"task {row['name']} {row['state_name']}" for row in _post(api, "/task_runs/filter", {"task_runs": _OPEN})]
            limits = _post(api, "/v2/concurrency_limits/filter", {})
        found += [f"process {pid} of run {run}" for run, pid in self.list_flows().items()]
        return found + [f"{limit['name']} holds {limit['active_slots']}" for limit in limits if limit["active_slots"]]

    @property
    def _base(self) -> Path:
        return self.settings.home / "first_tick"

    def _ticks(self) -> tuple[str, str]:
        first, second, *_ = use_cases.load_in(self.settings, USE_CASE).replay.ticks
        return first.isoformat(), second.isoformat()

    def _copy(self, source: Path, target: Path) -> None:
        for name in _KEPT:
            if (source / name).exists():
                shutil.copytree(source / name, target / name)


def wait_until(
    holds: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS, seen: Callable[[], object] = lambda: "no more is known"
) -> float:
    """Wait until something holds, looking often; returns how long it took (seconds). A server that is away does not hold."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        try:
            if holds():
                return time.monotonic() - started
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s for {what}: {seen()}")


def _post(api: httpx.Client, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    return api.post(path, json=body).raise_for_status().json()
