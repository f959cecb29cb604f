"""The options that all tasks share."""

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


# The default cache policy hashes every argument (0.6 CPU-s for 160 MB) to save work that the lake's ledger saves already.
STORE: dict[str, Any] = {"retries": 2, "retry_delay_seconds": 5, "retry_condition_fn": is_transient, "cache_policy": NO_CACHE}
COMPUTE: dict[str, Any] = {"cache_policy": NO_CACHE}
