"""One verb at a time starts or stops an environment."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager

from headrace.errors import ServerError
from headrace.settings import Settings


@contextmanager
def hold(settings: Settings) -> Generator[None]:
    """Hold the environment's lock; the kernel lets go of it when the process ends, however it ends.

    Raises:
        ServerError: Another verb holds it.
    """
    path = settings.environment_home / "run" / "verb.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServerError(f"another verb is starting or stopping {settings.environment}; wait until it has ended") from error
        yield
