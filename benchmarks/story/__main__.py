"""A whole story against real servers on PostgreSQL: `make story`.

Three environments on this machine, in a clone and a home of their own: refused and accepted deployments, a run from a schedule,
an approval given and one refused, servers killed in the middle of a tick, a retraining started by an event, backup, restore.
It asserts on tables and registry, and ends with a table of figures. HEAD needs the record that `make ci` leaves.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.story import machine
from benchmarks.story.acts import ACTS
from benchmarks.story.figures import Figures
from benchmarks.story.place import ENVIRONMENTS, Place, StoryError, build_place, remove_place


def main() -> int:
    """Play every act, print the figures, and leave nothing running whatever happened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.story", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="keep the folder, and the servers that are up")
    options = parser.parse_args()
    begin = time.monotonic()
    figures = Figures()
    place = build_place(Path(tempfile.mkdtemp(prefix="headrace-story-")))
    try:
        for name, act in ACTS.items():
            _say(f"{time.monotonic() - begin:6.1f} s  {name}: {(act.__doc__ or '').splitlines()[0]}")
            with figures.act(name):
                act(place, figures)
    except (StoryError, subprocess.CalledProcessError, httpx.TransportError) as error:
        _say(f"the story ended: {error}")
        _say(machine.read_logs(place))
        return 1
    finally:
        if figures.rows:
            _say("\n" + figures.render())
        if options.keep:
            _say(f"kept: {place.folder}")
        else:
            _clean_up(place)
    _say(f"\nstory: {len(ACTS)} acts passed in {time.monotonic() - begin:.0f} s")
    return 0


def _clean_up(place: Place) -> None:
    for environment in ENVIRONMENTS:
        try:
            place.verb("down", environment)
        except StoryError as error:
            _say(str(error))
    machine.end_processes(place.home)
    remove_place(place)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
