"""Kinds of task, one module each: binary, multiclass, regression, forecast. `load_kind` finds one by name, so that a new kind is one file."""

import importlib
import pkgutil
from functools import cache
from typing import cast

from headrace.errors import UseCaseError
from headrace.models.kinds.kind import Kind

# The module that says what a kind is, and is none.
_PROTOCOL = "kind"


def names() -> list[str]:
    """Names of all kinds, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != _PROTOCOL)


@cache
def load_kind(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UseCaseError: There is none.
    """
    if name not in names():
        raise UseCaseError(f"kind {name!r} is no kind of task; a use case's kind is one of {', '.join(names())}")
    return cast("Kind", importlib.import_module(f"{__name__}.{name}").KIND)
