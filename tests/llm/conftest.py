"""Fixtures of a real registry, for chains that are registered."""

from tests.registry.fixtures import empty_registry

__all__ = ["empty_registry"]
