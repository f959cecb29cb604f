"""The environment that a flow runs in: its settings, and on a worker also its log."""

import logging

from prefect.logging.handlers import APILogHandler
from prefect.runtime import deployment, flow_run

from headrace import process
from headrace.settings import Settings, load_settings


def open_environment() -> Settings:
    """The settings of this process, which the verb or the worker that started it has named.

    A verb has prepared its process and opened its log before it starts a flow. A flow that a worker started finds its
    variables set, because it inherits the worker's; its log is opened here, once, and its lines go to Prefect's pages too.
    """
    settings = load_settings()
    library = logging.getLogger("headrace")
    if is_deployed() and not library.handlers:
        process.prepare(settings)
        process.start_logging(settings, name=str(flow_run.flow_name))
        library.addHandler(APILogHandler())
    return settings


def is_deployed() -> bool:
    """Whether this run is one of a deployment, and not of a verb that a person typed."""
    return deployment.id is not None
