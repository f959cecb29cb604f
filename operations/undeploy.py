"""Undeploy: take an environment's deployments away, with their triggers and the runs that wait for their time.

A model server that answered for one of them is ended. Tables, models, the history of runs and the work pool stay. `make deploy`
brings the deployments back, under new ids.
"""

import argparse
import sys
from collections.abc import Collection
from pathlib import Path

from headrace import use_case as use_cases
from headrace.errors import DeployError, ServerError
from headrace.settings import ROOT, Settings
from operations import git, services, supervisor
from operations.deploy import check_servers, run_inside, say
from operations.lock import hold
from operations.releases import Release


def configure(parser: argparse.ArgumentParser) -> None:
    """Which deployments, and whether the person has said yes already."""
    parser.add_argument("--use-case", help="only the deployments of this one; left out: of all")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Ask, delete, and note what is deployed no more."""
    check_servers(settings)
    deployed = services.read_release(settings)
    names = [options.use_case] if options.use_case else sorted({*use_cases.names(), *(deployed["use_cases"] if deployed else ())})
    if not options.yes and _ask(settings, names) != settings.environment:
        raise DeployError("nothing was undeployed: the answer was not the environment's name; type it, or give YES=1")
    # Any code can delete: what is there says the server.
    here = Release(commit=git.read_commit(ROOT), folder=ROOT, python=Path(sys.executable))
    with hold(settings):
        removed = run_inside(settings, here, "remove", names)
        stopped = _forget(settings, names)
    for change in removed:
        say(f"  removed  {change['deployment']}")
    if stopped:
        say(f"the model server, which answered for {stopped}, was ended")
    say(f"{len(removed)} deployments were removed from {settings.environment}; tables, models and the history of runs stay")
    return 0


def _forget(settings: Settings, names: Collection[str]) -> str | None:
    """Note that these are deployed no more, and end the model server where it answers for one of them; for which one it did."""
    deployed = services.read_release(settings)
    if deployed is None:
        return None
    try:
        served = services.choose_served(settings, deployed["use_cases"])
    except ServerError:
        # None could be chosen, so none was served.
        served = None
    if left := [name for name in deployed["use_cases"] if name not in names]:
        services.write_release(settings, {**deployed, "use_cases": left})
    else:
        services.release_path(settings).unlink()
    if left and (served is None or served in left):
        return None
    supervisor.stop(settings, services.MODEL_SERVER.name)
    return served


def _ask(settings: Settings, names: list[str]) -> str:
    sys.stdout.write(f"Remove every deployment of {', '.join(names)} from {settings.environment}? Type its name: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip()
