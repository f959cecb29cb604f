"""Who is told: a POST to `notify_uri` when a run of a deployment needs a person. `make deploy` brings the server to what is said here.

The address is kept in a Webhook block, whose field is encrypted and never shown. A receiver that is dead, slow or refuses costs the
server one try of at most five seconds and one event, `prefect.automation.action.failed`; nothing is sent again and nothing waits.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger
from prefect.exceptions import ObjectNotFound

from headrace import errors
from headrace.secrets import resolve_secret
from headrace.servers import HOST
from headrace.settings import Settings

# Names of the states that a person should know of. An event about a run is called after the state's name, ours (Blocked) too.
TOLD = ("Failed", "TimedOut", "Crashed", "Blocked", "Late", "Suspended", "Paused")

# Our own errors never quote a row. The text of any other exception may, so of those only the kind is told.
_RAISED = "Flow run encountered an exception"
_OURS = sorted(found.__name__ for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.HeadraceError))


def apply(settings: Settings, client: SyncPrefectClient) -> str:
    """Create, change or remove the automation that tells; doing it twice changes nothing.

    Returns:
        What was done: `added`, `changed`, `none` or `removed`.
    """
    name = f"notify-{settings.environment}"
    there = client.read_automations_by_name(name)
    if settings.notify_uri is None:
        _remove(client, there, name)
        return "removed" if there else "none"
    block_id = _save_webhook(client, name, resolve_secret(settings.notify_uri))
    wanted = build_notification(settings, name=name, block_id=block_id)
    if not there:
        client.create_automation(wanted)
        return "added"
    first, *repeated = there
    for other in repeated:
        client.delete_automation(other.id)
    if _describe(first) == _describe(wanted):
        return "none"
    # A person's switch stays as it is.
    client.update_automation(first.id, wanted.model_copy(update={"enabled": first.enabled}))
    return "changed"


def build_notification(settings: Settings, *, name: str, block_id: UUID) -> AutomationCore:
    """The automation: every listed state of a deployment's own run, each once. A stage that runs inside another is told of by that one."""
    trigger = EventTrigger.model_validate(
        {
            "expect": [f"prefect.flow-run.{state}" for state in TOLD],
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": {"prefect.resource.role": "deployment"},
            "posture": "Reactive",
            "threshold": 1,
            "within": 0,
        }
    )
    action = CallWebhook(block_document_id=block_id, payload=build_payload(settings))
    description = f"POST to the receiver that {settings.environment} is set to tell; made by `make deploy`"
    return AutomationCore(name=name, description=description, trigger=trigger, actions=[action])


def build_payload(settings: Settings) -> str:
    """The body of the POST, a template of JSON: names, a state and its reason, and where to look."""
    message = '(event.resource.get("prefect.state-message") or "")'
    is_foreign = f'{message}.startswith({json.dumps(_RAISED)}) and {message}.split(": ")[1] not in {json.dumps(_OURS)}'
    page = f"http://{HOST}:{settings.prefect_port}/runs/flow-run/"
    fields = {
        "environment": json.dumps(settings.environment),
        "flow": "flow.name",
        "deployment": "deployment.name",
        "run": 'event.resource["prefect.resource.name"]',
        "state": 'event.resource["prefect.state-name"]',
        "message": f'{message}.split(":")[:2] | join(":") if {is_foreign} else {message} | truncate(400)',
        "page": f'{json.dumps(page)} ~ event.resource.id.split(".")[-1]',
    }
    return "{" + ", ".join(f'"{key}": {{{{ ({expression}) | tojson }}}}' for key, expression in fields.items()) + "}"


def _save_webhook(client: SyncPrefectClient, name: str, uri: str) -> UUID:
    """The block with the address. Loopback and private networks are allowed: an engineer named the address, no visitor of a page."""
    headers = {"Content-Type": "application/json"}
    Webhook(url=uri, headers=headers, allow_private_urls=True).save(name, overwrite=True)
    return client.read_block_document_by_name(name, "webhook").id


def _remove(client: SyncPrefectClient, there: list[Automation], name: str) -> None:
    for automation in there:
        client.delete_automation(automation.id)
    try:
        client.delete_block_document(client.read_block_document_by_name(name, "webhook").id)
    except ObjectNotFound:
        return


def _describe(automation: AutomationCore) -> Mapping[str, Any]:
    """What makes it, in a form that is equal when it says the same."""
    fields = automation.model_dump(mode="json", include={"name", "description", "trigger", "actions"})
    trigger = fields["trigger"]
    trigger.pop("id", None)
    return {**fields, "trigger": {**trigger, "expect": sorted(trigger["expect"])}}
