"""Secrets by reference: `env:NAME` or `file:/path`, so that no setting has to hold a value that nobody may read."""

import os
import stat
from pathlib import Path

from headrace.errors import SettingsError


def resolve_secret(reference: str) -> str:
    """The value behind `env:NAME` or `file:/path`; anything else is a plain value and comes back as it is.

    Raises:
        SettingsError: The variable is not set, the file is missing or readable by others than its owner, or the value is empty.
    """
    if reference.startswith("env:"):
        name = reference.removeprefix("env:")
        if name not in os.environ:
            raise SettingsError(f"secret env:{name}: the variable {name} is not set; export it for this process")
        return _not_empty(reference, os.environ[name])
    if reference.startswith("file:"):
        path = Path(reference.removeprefix("file:"))
        if not path.is_file():
            raise SettingsError(f"secret file:{path}: no such file; write the value there with mode 0600")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError(f"secret file:{path}: others may read it; run chmod 600 {path}")
        return _not_empty(reference, path.read_text(encoding="utf-8").strip())
    return reference


def _not_empty(reference: str, value: str) -> str:
    if not value:
        raise SettingsError(f"secret {reference} is empty; write the value there")
    return value
