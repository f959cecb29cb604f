"""Fixtures of a real registry, shared with its own tests."""

from tests.registry.fixtures import candidate, case, empty_registry, register, settings

__all__ = ["candidate", "case", "empty_registry", "register", "settings"]
