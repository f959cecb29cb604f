"""Events that trigger deployments: ids only, never rows."""

from prefect import task
from prefect.events import emit_event

from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.options import COMPUTE


@task(**COMPUTE)
def emit(settings: Settings, case: UseCase, event: str, *, subject: str) -> None:
    """Emit `headrace.<noun>.<past participle>` about a subject (a version, a window) of a use case."""
    name = f"{settings.environment}.{case.name}"
    resource = {"prefect.resource.id": f"headrace.{name}", "prefect.resource.name": name, "environment": settings.environment}
    emit_event(event, resource=resource, payload={"use_case": case.name, "subject": subject})
