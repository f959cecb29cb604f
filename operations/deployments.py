"""Deployments on an environment's Prefect server: what is declared, what is there, and from the one to the other."""

import importlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.events import Automation, DeploymentEventTrigger
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from headrace.errors import DeployError, ServerError
from headrace.settings import Settings
from operations.forms import build_form
from operations.manifest import find_flow
from operations.services import work_pool


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A deployment as the release declares it.

    Attributes:
        flow: Prefect's name of the flow.
        name: Name of the deployment: its use case.
        fields: What the server is told of it.
        schedules: Slug -> cron expression (UTC).
        triggers: Name of the automation -> what starts a run.
    """

    flow: str
    name: str
    fields: Mapping[str, Any]
    schedules: Mapping[str, str]
    triggers: Mapping[str, DeploymentEventTrigger]

    @property
    def title(self) -> str:
        """`train/flight_delay`, as Prefect's pages show it."""
        return f"{self.flow}/{self.name}"


@contextmanager
def open_client(settings: Settings) -> Generator[SyncPrefectClient]:
    """A client of the environment's server; its refusals come as one sentence."""
    address = f"the Prefect server of {settings.environment} on port {settings.prefect_port}"
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPStatusError as error:
        said = error.response.text.strip().replace("\n", " ")[:300]
        raise ServerError(f"{address} answered {error.response.status_code} to {error.request.method} {error.request.url.path}: {said}") from error
    except httpx.TransportError as error:
        raise ServerError(f"{address} does not answer ({error!r}); see make status ENV={settings.environment}") from error


def create_pool(client: SyncPrefectClient, settings: Settings) -> None:
    """Create the environment's work pool, where the worker has not done so."""
    name = work_pool(settings)
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template))


def declare(entry: Mapping[str, Any], use_case: str) -> Declared:
    """A rendered entry of `prefect.yaml`, with its form."""
    flow = find_flow(entry)
    fields = {
        "version": entry["version"],
        "description": entry["description"],
        "tags": sorted(entry["tags"]),
        "parameters": entry["parameters"],
        "parameter_openapi_schema": build_form(flow, use_case),
        "enforce_parameter_schema": entry["enforce_parameter_schema"],
        "work_pool_name": entry["work_pool"]["name"],
        "job_variables": entry["work_pool"]["job_variables"],
        "pull_steps": entry["pull"],
        "entrypoint": entry["entrypoint"],
        "concurrency_limit": entry["concurrency_limit"]["limit"],
        "collision_strategy": entry["concurrency_limit"]["collision_strategy"],
    }
    return Declared(
        flow=getattr(importlib.import_module(f"flows.{flow}"), flow).name,
        name=entry["name"],
        fields=fields,
        schedules={schedule["slug"]: _read_cron(schedule) for schedule in entry["schedules"]},
        triggers={trigger["name"]: DeploymentEventTrigger.model_validate(trigger) for trigger in entry.get("triggers", [])},
    )


def _read_cron(schedule: Mapping[str, Any]) -> str:
    if schedule["timezone"] != "UTC":
        raise DeployError(f"prefect.yaml: schedule {schedule['slug']} is in {schedule['timezone']}; every instant here is UTC, so write it in UTC")
    return str(schedule["cron"])


def compare(client: SyncPrefectClient, wanted: Declared) -> dict[str, object]:
    """What `apply` would do to one deployment: `{"deployment", "change": added | changed | none, "fields": [...]}`."""
    found = read(client, wanted)
    if found is None:
        return {"deployment": wanted.title, "change": "added", "fields": []}
    now = _read_fields(found)
    changed = [name for name, value in wanted.fields.items() if now[name] != value]
    if _read_schedules(found) != dict(wanted.schedules):
        changed.append("schedules")
    there = {automation.name: _describe(automation.trigger) for automation in _read_automations(client, found.id, wanted)}
    if there != {name: _describe(trigger) for name, trigger in wanted.triggers.items()}:
        changed.append("triggers")
    return {"deployment": wanted.title, "change": "changed" if changed else "none", "fields": changed, "version": found.version}


def apply(client: SyncPrefectClient, wanted: Declared) -> None:
    """Create the deployment, or change what differs; ids and what a person paused stay as they are."""
    found = read(client, wanted)
    fields = dict(wanted.fields)
    options = {"concurrency_options": ConcurrencyOptions(collision_strategy=fields.pop("collision_strategy"))}
    if found is None:
        flow_id = client.create_flow_from_name(wanted.flow)
        deployment_id = client.create_deployment(flow_id=flow_id, name=wanted.name, **fields, **options)
        schedules: Mapping[str, Any] = {}
    else:
        deployment_id = found.id
        if _read_fields(found) != dict(wanted.fields):
            client.update_deployment(deployment_id, DeploymentUpdate(**fields, **options))
        schedules = {schedule.slug: schedule for schedule in found.schedules if schedule.slug}
    _apply_schedules(client, deployment_id, wanted, schedules)
    _apply_triggers(client, deployment_id, wanted)


def finish_removed(
    client: SyncPrefectClient, settings: Settings, use_case: str, declared: Sequence[Declared], *, delete: bool
) -> Iterator[dict[str, object]]:
    """Deployments of the use case that the release declares no more; deleted if asked."""
    kept = {wanted.flow for wanted in declared}
    for deployment, flow in _read_all(client, settings, use_case):
        if flow not in kept:
            if delete:
                _delete(client, deployment.id)
            yield {"deployment": f"{flow}/{deployment.name}", "change": "removed", "fields": []}


def delete_deployments(client: SyncPrefectClient, settings: Settings, use_case: str) -> Iterator[dict[str, object]]:
    """Delete every deployment of the use case, with its automations and the runs that wait for their time."""
    return finish_removed(client, settings, use_case, [], delete=True)


def read(client: SyncPrefectClient, wanted: Declared) -> DeploymentResponse | None:
    """The deployment as the server has it; None: it has none."""
    try:
        return client.read_deployment_by_name(wanted.title)
    except ObjectNotFound:
        return None


def _read_all(client: SyncPrefectClient, settings: Settings, use_case: str) -> list[tuple[DeploymentResponse, str]]:
    named = DeploymentFilter(name=DeploymentFilterName(any_=[use_case]))
    found = [deployment for deployment in client.read_deployments(deployment_filter=named) if settings.environment in deployment.tags]
    return [(deployment, client.read_flow(deployment.flow_id).name) for deployment in found]


def _delete(client: SyncPrefectClient, deployment_id: UUID) -> None:
    # First what could start a run; the server deletes waiting runs with their deployment.
    client.delete_resource_owned_automations(f"prefect.deployment.{deployment_id}")
    client.delete_deployment(deployment_id)


def _read_fields(found: DeploymentResponse) -> dict[str, Any]:
    """The server's side of `Declared.fields`."""
    limit, options = found.global_concurrency_limit, found.concurrency_options
    return {
        "version": found.version,
        "description": found.description,
        "tags": sorted(found.tags),
        "parameters": found.parameters,
        "parameter_openapi_schema": found.parameter_openapi_schema,
        "enforce_parameter_schema": found.enforce_parameter_schema,
        "work_pool_name": found.work_pool_name,
        "job_variables": found.job_variables,
        "pull_steps": found.pull_steps,
        "entrypoint": found.entrypoint,
        "concurrency_limit": limit.limit if limit else None,
        "collision_strategy": options.collision_strategy.value if options else None,
    }


def _read_schedules(found: DeploymentResponse) -> dict[str, str]:
    """Our schedules, by slug; one that a person added in the pages has none, and is that person's."""
    return {schedule.slug: schedule.schedule.cron for schedule in found.schedules if schedule.slug and isinstance(schedule.schedule, CronSchedule)}


def _apply_schedules(client: SyncPrefectClient, deployment_id: UUID, wanted: Declared, there: Mapping[str, Any]) -> None:
    for slug, cron in wanted.schedules.items():
        schedule = CronSchedule(cron=cron, timezone="UTC")
        if slug not in there:
            client.create_deployment_schedules(deployment_id, [DeploymentScheduleCreate(schedule=schedule, active=True, slug=slug)])
        elif there[slug].schedule != schedule:
            client.update_deployment_schedule(deployment_id, there[slug].id, schedule=schedule)
    for slug in set(there) - set(wanted.schedules):
        client.delete_deployment_schedule(deployment_id, there[slug].id)


def _apply_triggers(client: SyncPrefectClient, deployment_id: UUID, wanted: Declared) -> None:
    """An automation that says the same is left alone: its cool-down and its switch are its own."""
    there: dict[str, Automation] = {}
    for automation in _read_automations(client, deployment_id, wanted):
        if automation.name in there:
            client.delete_automation(automation.id)
        there.setdefault(automation.name, automation)
    for name, trigger in wanted.triggers.items():
        trigger.set_deployment_id(deployment_id)
        if name not in there:
            client.create_automation(trigger.as_automation())
        elif _describe(there[name].trigger) != _describe(trigger):
            # An update may not name the owner, which stays.
            fields = trigger.as_automation().model_dump(exclude={"owner_resource"})
            client.update_automation(there[name].id, AutomationCore.model_validate({**fields, "enabled": there[name].enabled}))
    for name in set(there) - set(wanted.triggers):
        client.delete_automation(there[name].id)


def _read_automations(client: SyncPrefectClient, deployment_id: UUID, wanted: Declared) -> list[Automation]:
    """Automations of `prefect.yaml` that start the deployment, known by the end of their names; a person's own are not touched."""
    related = client.read_resource_related_automations(f"prefect.deployment.{deployment_id}")
    return [automation for automation in related if automation.name.endswith(f"-> {wanted.title}")]


def _describe(trigger: Any) -> dict[str, Any]:
    """What makes a trigger, in a form that is equal when it says the same."""
    match = {name: [value] if isinstance(value, str) else list(value) for name, value in trigger.match.model_dump().items()}
    within = trigger.within / timedelta(seconds=1)
    return {
        "expect": sorted(trigger.expect),
        "match": match,
        "for_each": sorted(trigger.for_each),
        "threshold": trigger.threshold,
        "posture": str(trigger.posture.value),
        "within_s": within,
    }
