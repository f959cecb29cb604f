"""Deploy: an environment runs one commit from now on, with its packages, its schedules and its triggers.

Staging and prod want their branch, a clean tree and a signed record of passed checks. Doing it again changes nothing.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from headrace.errors import DeployError
from headrace.settings import ROOT, Settings
from operations import checks, git, releases, services, supervisor
from operations.lock import hold
from operations.releases import Release
from operations.rollout import check_servers
from operations.up import check_no_overrides, wait_until_healthy


def configure(parser: argparse.ArgumentParser) -> None:
    """What is deployed: all use cases, or one."""
    parser.add_argument("--use-case", help="only the deployments of this one; left out: of all")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Check, build the release, let it declare itself to the server, and note what is deployed."""
    check_no_overrides(settings)
    commit = check_deployable(settings, ROOT, keys=checks.keys_folder())
    check_servers(settings)
    for line in describe_edits(ROOT):
        say(line)
    say(f"deploying commit {commit[:12]} to {settings.environment}")
    release = releases.build_release(settings.home, ROOT, commit, say=say)
    with hold(settings):
        _roll_out(settings, options, release)
    say(f"deployed: runs and model server of {settings.environment} take commit {commit[:12]}, whatever is edited in {ROOT.name}/ from now on")
    return 0


def _roll_out(settings: Settings, options: argparse.Namespace, release: Release) -> None:
    """Let the release declare itself to the server, note it, and let the model server run it."""
    before = services.read_release(settings)
    names = [options.use_case] if options.use_case else releases.list_use_cases(release.folder, deployed=before["use_cases"] if before else ())
    for line in [] if options.use_case else releases.describe_left_out(release.folder, names):
        say(line)
    _check_others(settings, release.commit, names)
    # A server that cannot choose would be found out after the one that answers now was ended.
    served = services.choose_served(settings, list_deployed(before, release.commit, names))
    changes = run_inside(settings, release, "apply", names)
    record_release(settings, release, names)
    for line in describe_changes(changes):
        say(line)
    say(restart_model_server(settings, release, served))


def check_deployable(settings: Settings, checkout: Path, *, keys: Path) -> str:
    """The commit that may be deployed to this environment: the one that is checked out.

    Args:
        settings: The environment.
        checkout: The clone.
        keys: Folder of the key that signs records of checks.

    Raises:
        DeployError: The environment wants another branch, a clean tree or a valid record of passed checks.
    """
    commit = git.read_commit(checkout)
    wanted = read_deploy_from(checkout, commit, settings.environment)
    if settings.deploy_from != wanted:
        raise DeployError(
            f"deploy_from of {settings.environment} is {settings.deploy_from} here and {wanted} in commit {commit[:12]}; "
            "which branch may be deployed is for the commit to say: undo that, or commit it"
        )
    if wanted is None:
        return commit
    branch = git.read_branch(checkout)
    if branch is None or not fnmatch(branch, wanted):
        where = f"branch {branch}" if branch else "no branch (HEAD is detached)"
        step = "git checkout main" if wanted == "main" else "make release NAME=..., then git checkout that branch"
        raise DeployError(f"{settings.environment} is deployed from {wanted}, and {where} is checked out; {step}")
    check_clean(checkout)
    checks.check_record(checkout, commit, keys=keys)
    return commit


def read_deploy_from(checkout: Path, commit: str, environment: str) -> str | None:
    """The branch that an environment is deployed from, as a commit declares it; None: any commit.

    Raises:
        DeployError: The commit has no such environment, or leaves it open.
    """
    declared = yaml.safe_load(git.read(checkout, "show", f"{commit}:environments/{environment}.yaml"))
    if not isinstance(declared, dict) or "deploy_from" not in declared:
        raise DeployError(f"environments/{environment}.yaml of commit {commit[:12]} does not say deploy_from: a branch, or null for any commit")
    if declared["deploy_from"] is None and declared.get("approval") == "required":
        raise DeployError(f"environments/{environment}.yaml of commit {commit[:12]} asks for approvals and takes any commit; name a branch")
    return declared["deploy_from"]


def check_clean(checkout: Path) -> None:
    """Refuse a clone whose files are not those of its commit.

    Raises:
        DeployError: A file differs from the commit, or git does not know it.
    """
    changes = git.read_changes(checkout)
    if changes:
        raise DeployError(f"{len(changes)} files differ from the commit or are new, {changes[0][3:]} for one; commit or remove them")


def describe_edits(checkout: Path) -> list[str]:
    """What a person should know whose edits are not in the commit; possible only where any commit may be deployed."""
    changes = git.read_changes(checkout)
    return [f"not in it: {len(changes)} files that differ from the commit or are new; commit them to deploy them"] if changes else []


def _check_others(settings: Settings, commit: str, names: Sequence[str]) -> None:
    """Refuse to move one use case to a commit while others stay on another: an environment runs one commit."""
    before = services.read_release(settings)
    left = sorted(set(before["use_cases"]) - set(names)) if before and before["commit"] != commit else []
    if left:
        raise DeployError(f"{', '.join(left)} would stay on commit {before['commit'][:12] if before else ''}; deploy all: leave USE_CASE out")


def run_inside(settings: Settings, release: Release, action: str, names: Sequence[str], *, interpreter: Path | None = None) -> list[dict[str, Any]]:
    """Let the release's own code speak to the server, so that forms and declarations are those of its commit.

    Args:
        settings: The environment.
        release: Whose code runs.
        action: `apply`, `plan` or `remove`.
        names: The use cases.
        interpreter: Runs the code instead of the release's own Python, where that is not built yet.

    Raises:
        DeployError: It could not; what it said is on the terminal.
    """
    # The server's address comes from the environment's settings; a shell that names another server must not matter.
    foreign = ("PREFECT_", "MLFLOW_", "PYTHON", "GIT_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # A release has no landing folder: its runs look into that of this clone.
    variables |= {
        "HEADRACE_ENV": settings.environment,
        "HEADRACE_HOME": str(settings.home),
        "HEADRACE_LANDING_ROOT": str(settings.landing),
    }
    command = [str(interpreter or release.python), "-m", "operations.rollout", action, "--python", str(release.python)]
    for name in names:
        command += ["--use-case", name]
    done = subprocess.run(command, cwd=release.folder, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise DeployError(f"the release {release.commit[:12]} could not {action} its deployments, see above; mend that and type the same again")
    return json.loads(done.stdout)


def list_deployed(before: Mapping[str, Any] | None, commit: str, names: Sequence[str]) -> list[str]:
    """What is deployed once these are, sorted: use cases that this very commit was deployed for before stay.

    Args:
        before: What is deployed now, as `services.read_release` has it.
        commit: Full hash of the commit that is deployed.
        names: The use cases that it is deployed for.
    """
    kept = before["use_cases"] if before and before["commit"] == commit else []
    return sorted({*kept, *names})


def record_release(settings: Settings, release: Release, names: Sequence[str]) -> None:
    """Note what is deployed."""
    before = services.read_release(settings)
    deployed = {"commit": release.commit, "folder": str(release.folder), "python": str(release.python), "landing": str(settings.landing)}
    services.write_release(settings, {**deployed, "use_cases": list_deployed(before, release.commit, names)})


def restart_model_server(settings: Settings, release: Release, served: str) -> str:
    """Let the model server answer for a use case from the deployed commit; one that does already is left alone.

    Returns:
        What was done, in a sentence.
    """
    mark = settings.environment_home / "run" / "serving.json"
    state = supervisor.read_states(settings).get(services.MODEL_SERVER.name)
    wanted = {"commit": release.commit, "use_case": served}
    is_current = mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == wanted
    if is_current and state is not None and state.status in ("STARTING", "RUNNING"):
        return f"the model server answers for {served} from this commit already"
    supervisor.restart(settings, services.MODEL_SERVER.name)
    wait_until_healthy(settings, services.MODEL_SERVER)
    mark.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    return f"the model server was started from this commit and answers for {served}: {services.MODEL_SERVER.address(settings)}"


def describe_changes(changes: Sequence[dict[str, Any]], *, is_plan: bool = False) -> list[str]:
    """One line for each deployment that changed, or the sentence that none did."""
    lines = [
        f"  {change['change']:8} {change['deployment']}" + (f": {', '.join(change['fields'])}" if change["fields"] else "")
        for change in changes
        if change["change"] != "none"
    ]
    nothing = "nothing would change" if is_plan else "every deployment was as declared; nothing changed"
    return lines or [nothing]


def say(line: str) -> None:
    """One line for the person who typed the verb."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
