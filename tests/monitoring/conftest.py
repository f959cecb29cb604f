"""Fixtures of a real registry."""

from tests.registry.fixtures import candidate, empty_registry, settings

__all__ = ["candidate", "empty_registry", "settings"]
