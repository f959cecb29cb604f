"""`prefect.yaml` as this environment has it: its variables filled in, flows without a schedule freed of theirs.

Prefect itself fills in nothing for a variable that is not set and deploys what is left ("noop-"); here that is an error.
"""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from headrace import use_case as use_cases
from headrace.errors import DeployError
from headrace.settings import Settings
from operations.releases import Release

FILE = "prefect.yaml"

# `{{ $NAME }}`; what an event fills in later, `{{ event.payload.subject }}`, has no dollar sign.
_VARIABLE = re.compile(r"{{\s*\$(\w+)\s*}}")


def render_manifest(settings: Settings, release: Release, use_case: str) -> list[dict[str, Any]]:
    """The deployments of one use case, as the release's `prefect.yaml` declares them; stages that the use case does not run have none.

    Raises:
        DeployError: The file is not what it should be, a variable in it is unknown or empty, or a schedule is of no flow in it.
        UseCaseError: There is no such use case.
    """
    from flows.lifecycle import STAGES

    left_out = set(STAGES) - set(use_cases.load(use_case).stages)
    raw = read_manifest(release.folder)
    flows = [find_flow(entry) for entry in raw["deployments"]]
    unknown = sorted(set(settings.schedules) - set(flows))
    if unknown:
        raise DeployError(f"setting schedules names {', '.join(unknown)}, and {FILE} has no such flow; known: {', '.join(sorted(flows))}")
    variables: dict[str, str | None] = {
        "ENV": settings.environment,
        "USE_CASE": use_case,
        "STATE": str(settings.home),
        "LANDING": str(settings.landing),
        "COMMIT": release.commit,
        "RELEASE": str(release.folder),
        "PYTHON": str(release.python),
    } | {f"CRON_{flow.upper()}": settings.schedules.get(flow) for flow in flows}
    return [_render_entry(entry, raw["pull"], variables) for entry in raw["deployments"] if find_flow(entry) not in left_out]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The file as it stands.

    Raises:
        DeployError: It is missing, no YAML, or lacks its two lists.
    """
    path = folder / FILE
    if not path.is_file():
        raise DeployError(f"{path} does not exist, and it declares what is deployed; deploy a commit that has it")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise DeployError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("deployments"), list) or not isinstance(raw.get("pull"), list):
        raise DeployError(f"{path} must hold the lists `pull` and `deployments`")
    return raw


def find_flow(entry: Mapping[str, Any]) -> str:
    """Name of the flow that an entry deploys: `flows/train.py:train` -> `train`."""
    return str(entry["entrypoint"]).rpartition(":")[2]


def _render_entry(entry: Mapping[str, Any], pull: list[Any], variables: Mapping[str, str | None]) -> dict[str, Any]:
    entry = copy.deepcopy(dict(entry))
    schedules = [schedule for schedule in entry.get("schedules", []) if _find_cron(schedule, variables)]
    return _fill({**entry, "schedules": schedules, "pull": copy.deepcopy(pull)}, variables, place=find_flow(entry))


def _find_cron(schedule: Mapping[str, Any], variables: Mapping[str, str | None]) -> bool:
    """Whether the environment schedules the flow: its cron variable is known, and has a value."""
    names = _VARIABLE.findall(schedule["cron"])
    return not names or any(name not in variables or variables[name] for name in names)


def _fill(value: Any, variables: Mapping[str, str | None], *, place: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill(inner, variables, place=f"{place}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, variables, place=place) for inner in value]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        filled = variables.get(found[1])
        if not filled:
            known = ", ".join(name for name in variables if variables[name])
            raise DeployError(f"{FILE} uses the variable {found[1]} at {place}, and it has no value; known: {known}")
        return filled

    filled = _VARIABLE.sub(replace, value)
    if "{{" in filled and "$" in filled:
        raise DeployError(f"{FILE} has a variable at {place} that cannot be filled in: {value!r}; write it {{{{ $NAME }}}}")
    return filled
