"""The options that all tasks share."""

import os
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from headrace.errors import BatchError, ContractError, HeadraceError, RegistryError, SchemaError, SourceError, StorageError

# Running these again meets the same rows and rules, so it cannot help.
_LASTING = (BatchError, ContractError, SchemaError, SourceError)


def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again can help: a disk or network that failed, not data or rules that are wrong."""
    failure = state.result(raise_on_failure=False)
    if isinstance(failure, HeadraceError):
        return isinstance(failure, RegistryError | StorageError) and not isinstance(failure, _LASTING)
    return isinstance(failure, OSError)


# Seconds between tries. A deployed run outlasts a database that is away for a minute; a person at a terminal is told sooner.
_PAUSES = [5, 10, 20, 40] if "PREFECT__FLOW_RUN_ID" in os.environ else [5, 5]

# The default cache policy hashes every argument (0.6 CPU-s for 160 MB) to save work that the lake's ledger saves already.
STORE: dict[str, Any] = {"retries": len(_PAUSES), "retry_delay_seconds": _PAUSES, "retry_condition_fn": is_transient, "cache_policy": NO_CACHE}
COMPUTE: dict[str, Any] = {"cache_policy": NO_CACHE}
