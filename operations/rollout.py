"""Bring an environment's Prefect server to what one commit declares. It runs inside that commit's release, by the release's own Python.

    python -m operations.rollout apply --use-case flight_delay

`plan` says what `apply` would do and does nothing; `remove` takes the deployments away. What is there already is changed in
place: deployments, schedules and automations keep their ids, and what a person has paused stays paused. (`prefect deploy`
deletes and recreates automations: events in between are lost, and cool-downs begin anew.)
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace import process, servers
from headrace.errors import DeployError, HeadraceError
from headrace.settings import ROOT, Settings, load_settings
from operations import git
from operations.manifest import render_manifest
from operations.releases import Release


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked of the environment `HEADRACE_ENV`, and write what was done as JSON."""
    parser = argparse.ArgumentParser(prog="python -m operations.rollout", description=__doc__)
    parser.add_argument("do", choices=("apply", "plan", "remove"))
    parser.add_argument("--use-case", action="append", required=True)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the interpreter of the release")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        check_servers(settings)
        process.prepare(settings)
        release = Release(commit=git.read_commit(ROOT), folder=ROOT, python=options.python)
        sys.stdout.write(json.dumps(list(_do(settings, release, options.use_case, options.do)), indent=1) + "\n")
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


def check_servers(settings: Settings) -> None:
    """Refuse to deploy to nothing.

    Raises:
        DeployError: The environment's servers are not up.
    """
    if not servers.is_up(settings):
        raise DeployError(
            f"the servers of {settings.environment} are not up, so there is nothing to deploy to; run make up ENV={settings.environment}"
        )


def _do(settings: Settings, release: Release, use_cases: Sequence[str], action: str) -> Iterator[dict[str, object]]:
    # Prefect reads its variables when it is imported, and `process.prepare` has set them.
    from operations import accounts, automations, deployments

    with deployments.open_client(settings) as client:
        if action == "remove":
            for use_case in use_cases:
                yield from deployments.delete_deployments(client, settings, use_case)
            return
        if action == "apply":
            deployments.create_pool(client, settings)
            if settings.database == "postgres" and settings.tracking_uri is None:
                # A use case that is new since `make up`.
                accounts.ensure_models(settings)
            yield {"deployment": "who is told", "change": automations.apply(settings, client), "fields": []}
        for use_case in use_cases:
            declared = [deployments.declare(entry, use_case) for entry in render_manifest(settings, release, use_case)]
            for wanted in declared:
                change = deployments.compare(client, wanted)
                if action == "apply":
                    deployments.apply(client, wanted)
                yield change
            yield from deployments.finish_removed(client, settings, use_case, declared, delete=action == "apply")


if __name__ == "__main__":
    sys.exit(main())
