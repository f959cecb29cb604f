"""Events that trigger deployments: ids only, never rows."""

from uuid import NAMESPACE_URL, uuid5

from prefect import task
from prefect.events import emit_event

from headrace.monitoring.alerts import Alert
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import COMPUTE

ALERTS = {
    "drift": "headrace.drift.detected",
    "performance": "headrace.performance.dropped",
    "service": "headrace.service.breached",
    "unmeasured": "headrace.service.unmeasured",
}


@task(**COMPUTE)
def emit(settings: Settings, case: UseCase, event: str, *, subject: str) -> None:
    """Emit `headrace.<noun>.<past participle>` about a subject (a version, a window) of a use case.

    Its id is made of what it says: emitted again by a run that had died before it finished, it is the same event to the server.
    """
    name = f"{settings.environment}.{case.name}"
    resource = {"prefect.resource.id": f"headrace.{name}", "prefect.resource.name": name, "environment": settings.environment}
    identity = uuid5(NAMESPACE_URL, f"{event}/{name}/{subject}")
    emit_event(event, resource=resource, payload={"use_case": case.name, "subject": subject}, id=identity)


def emit_alerts(settings: Settings, case: UseCase, alerts: list[Alert]) -> None:
    """Emit one event for each alert."""
    for alert in alerts:
        emit(settings, case, ALERTS[alert.kind], subject=alert.name)
