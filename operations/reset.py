"""Reset: delete the state of an environment that is down, so that it starts over; prod is never reset.

It deletes one folder of this machine. What an environment keeps elsewhere, a lake on S3 or a database of your own, would stay and
no longer fit, so such an environment is refused.
"""

import argparse
import shutil
import sys

from headrace import servers
from headrace.errors import ServerError, SettingsError
from headrace.settings import Settings
from operations import processes
from operations.lock import hold
from operations.up import say


def configure(parser: argparse.ArgumentParser) -> None:
    """Whether the person has said yes already."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Ask, delete and return 0; whatever speaks against it leaves everything as it was.

    Raises:
        SettingsError: It is prod, or keeps state elsewhere, or the answer was not the environment's name.
        ServerError: The environment is up, or what says whether it is up cannot be read.
    """
    state = settings.environment_home
    _check_resettable(settings)
    if not state.exists():
        say(f"{state} does not exist; nothing to delete")
        return 0
    if not options.yes and _ask(settings) != settings.environment:
        raise SettingsError("nothing was deleted: the answer was not the environment's name; type it, or give YES=1")
    with hold(settings):
        # Again: somebody may have started it while the person was typing.
        _check_resettable(settings)
        shutil.rmtree(state)
    say(f"deleted {state}")
    return 0


def _check_resettable(settings: Settings) -> None:
    name = settings.environment
    if name == "prod":
        raise SettingsError("make reset never deletes prod; nothing was deleted")
    if elsewhere := [key for key in ("lake_uri", "database_uri", "tracking_uri") if getattr(settings, key) is not None]:
        raise SettingsError(f"{name} keeps state outside its folder ({', '.join(elsewhere)}), which make reset does not reach; nothing was deleted")
    # A process of an environment outlives its keeper when that was killed, and would write into the folder that is being deleted.
    if servers.is_up(settings) or processes.find_marked(settings):
        raise ServerError(f"{name} is up; run make down ENV={name} first. Nothing was deleted")


def _ask(settings: Settings) -> str:
    sys.stdout.write(f"Delete {settings.environment_home}, all tables, models and predictions of {settings.environment}? Type its name: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip()
