"""Kinds of task, one module each: binary, multiclass, regression, forecast, assistant. `load_kind` finds one by name: a new kind is one file."""

import importlib
import pkgutil
from functools import cache
from typing import cast

from headrace.errors import UseCaseError
from headrace.models.kinds.kind import FittedKind, Kind

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


def fitted_names() -> list[str]:
    """Names of the kinds whose candidates are LightGBM models, sorted: those that a table of one's own can be."""
    return [name for name in names() if load_kind(name).is_fitted]


def load_fitted_kind(name: str) -> FittedKind:
    """The kind of that name, where its candidates are LightGBM models.

    Raises:
        UseCaseError: There is none, or its candidates are something else.
    """
    kind = load_kind(name)
    if not kind.is_fitted:
        raise UseCaseError(f"kind {name!r} fits no LightGBM model; those that do are {', '.join(fitted_names())}")
    return cast("FittedKind", kind)
