"""Undeploy: take an environment's deployments away, with their triggers and the runs that wait for their time.

Tables, models, the history of runs and the work pool stay. `make deploy` brings the deployments back, under new ids.
"""

import argparse
import sys
from pathlib import Path

from headrace import use_case as use_cases
from headrace.errors import DeployError
from headrace.settings import ROOT, Settings
from operations import git, services
from operations.deploy import check_servers, run_inside, say
from operations.lock import hold
from operations.releases import Release


def configure(parser: argparse.ArgumentParser) -> None:
    """Which deployments, and whether the person has said yes already."""
    parser.add_argument("--use-case", help="only the deployments of this one; left out: of all")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Ask, delete, and note that nothing is deployed."""
    check_servers(settings)
    deployed = services.read_release(settings)
    names = [options.use_case] if options.use_case else sorted({*use_cases.names(), *(deployed["use_cases"] if deployed else ())})
    if not options.yes and _ask(settings, names) != settings.environment:
        raise DeployError("nothing was undeployed: the answer was not the environment's name; type it, or give YES=1")
    # Any code can delete: what is there says the server.
    here = Release(commit=git.read_commit(ROOT), folder=ROOT, python=Path(sys.executable))
    with hold(settings):
        removed = run_inside(settings, here, "remove", names)
    for change in removed:
        say(f"  removed  {change['deployment']}")
    if not options.use_case:
        services.release_path(settings).unlink(missing_ok=True)
    say(f"{len(removed)} deployments were removed from {settings.environment}; tables, models and the history of runs stay")
    return 0


def _ask(settings: Settings, names: list[str]) -> str:
    sys.stdout.write(f"Remove every deployment of {', '.join(names)} from {settings.environment}? Type its name: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip()
