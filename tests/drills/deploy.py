"""Deploy what drills start, as `make deploy` would: `python -m tests.drills.deploy`, in a process that is a client of the environment.

The release is this clone's last commit, cloned by every run's pull step, with this clone's packages: installing them again would take
minutes and is not what is drilled.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from headrace import process
from headrace.settings import ROOT, load_settings
from operations import git
from operations.manifest import find_flow, render_manifest
from operations.releases import Release

USE_CASE = "flight_delay"


def main() -> None:
    """Print the ids of the deployments, by name."""
    settings = load_settings()
    process.prepare(settings)
    from operations import deployments

    release = Release(commit=git.read_commit(ROOT), folder=ROOT, python=Path(sys.executable))
    entries = {find_flow(entry): entry for entry in render_manifest(settings, release, USE_CASE)}
    wanted = {flow: deployments.declare(entries[flow] | {"triggers": []}, USE_CASE) for flow in ("lifecycle", "ingest")}
    unlimited = {**wanted["lifecycle"].fields, "concurrency_limit": None}
    wanted["twin"] = replace(wanted["lifecycle"], name="twin", fields=unlimited)
    with deployments.open_client(settings) as client:
        deployments.create_pool(client, settings)
        for one in wanted.values():
            deployments.apply(client, one)
        json.dump({name: str(deployments.read(client, one).id) for name, one in wanted.items()}, sys.stdout)


if __name__ == "__main__":
    main()
