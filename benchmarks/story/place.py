"""Where the story plays: a clone of this commit, a home of its own, ports nobody uses, and the verbs that a person types there."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from headrace.settings import LOCAL_FILE, ROOT, Settings, load_settings

NOTES = "refs/notes/headrace-checks"
ENVIRONMENTS = ("dev", "staging", "prod")

# What differs here from the environments as they are committed: reference data of the past is replayed, and nothing runs by itself
# but what an act waits for.
LOCAL: Mapping[str, Mapping[str, Any]] = {
    "dev": {"schedules": {}},
    "staging": {"clock": "replay", "schedules": {}},
    # The replay's next tick each minute: soon enough to be waited for.
    "prod": {"clock": "replay", "schedules": {"lifecycle": "* * * * *"}},
}


class StoryError(Exception):
    """What the story expected, and what came."""


@dataclass(frozen=True)
class Ended:
    """How a verb ended.

    Attributes:
        code: The verb's own exit code, which make prints; 0 when it passed.
        text: What it said.
        seconds: Wall time.
    """

    code: int
    text: str
    seconds: float


@dataclass(frozen=True)
class Place:
    """The clone and the home of one story."""

    folder: Path

    @property
    def clone(self) -> Path:
        """The clone in which verbs are typed."""
        return self.folder / "clone"

    @property
    def home(self) -> Path:
        """HEADRACE_HOME of all three environments."""
        return self.folder / "home"

    def settings(self, environment: str, *, home: Path | None = None) -> Settings:
        """An environment's settings, as its processes read them."""
        return load_settings(environment, home=home or self.home, variables={})

    def verb(self, verb: str, environment: str | None = None, *, expect: int | None = 0, **values: str) -> Ended:
        """Type `make <verb> ENV=<environment> ...` in the clone.

        Args:
            verb: The verb.
            environment: ENV.
            expect: Exit code that is asked for; None: any but 0.
            **values: Further values, by their names in the Makefile.

        Raises:
            StoryError: It ended otherwise; with all that it said.
        """
        command = ["make", *(part for stamp in ("run", "dev", "llm") for part in ("-o", f".venv/.installed-{stamp}")), verb]
        command += [f"ENV={environment}"] * bool(environment) + [f"{name}={value}" for name, value in values.items()]
        started = time.monotonic()
        done = subprocess.run(command, cwd=self.clone, env=self.variables(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
        ended = Ended(_read_code(done.returncode, text), text, time.monotonic() - started)
        if ended.code != expect and not (expect is None and ended.code):
            raise StoryError(f"{' '.join(command[command.index(verb) :])} ended with {ended.code}, expected {expect}:\n{text[-4000:]}")
        return ended

    def git(self, *arguments: str) -> str:
        """Run git in the clone; what it printed."""
        return subprocess.run(["git", *arguments], cwd=self.clone, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, message: str) -> str:
        """Commit what is staged in the clone, or nothing; the new commit."""
        who = ("-c", "user.name=story", "-c", "user.email=story@headrace.example")
        self.git(*who, "commit", "--quiet", "--allow-empty", "--no-verify", "--message", message)
        return self.git("rev-parse", "HEAD")

    def variables(self) -> dict[str, str]:
        """The environment of a shell in the clone: nothing of ours but the home and the place of the signing key."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "PREFECT_", "MLFLOW_", "MAKE"))}
        keys = {name: os.environ[name] for name in ("HEADRACE_KEYS",) if name in os.environ}
        return kept | keys | {"HEADRACE_HOME": str(self.home)}


def build_place(folder: Path, local: Mapping[str, Mapping[str, Any]] = LOCAL) -> Place:
    """Clone this checkout's HEAD as `main`, records of checks included, and give each environment ports of its own.

    Args:
        folder: An empty folder.
        local: Environment -> what differs here from what is committed.
    """
    place = Place(folder)
    folder.chmod(0o711)  # PostgreSQL runs as another user, who must get to its own folder in here
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(place.clone)], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    place.git("checkout", "--quiet", "-B", "main", head)
    subprocess.run(["git", "fetch", "--quiet", "origin", f"+{NOTES}:{NOTES}"], cwd=place.clone, capture_output=True, check=False)
    # The packages of this checkout are used; a clone of the story is no second installation.
    (place.clone / ".venv").symlink_to(Path(sys.prefix))
    (place.clone / ".git" / "info" / "exclude").write_text(".venv\n", encoding="utf-8")
    for environment, values in local.items():
        _write_local(place, environment, values)
    return place


def remove_place(place: Place) -> None:
    """Delete the folder; the servers must be down."""
    shutil.rmtree(place.folder, ignore_errors=True)


def _write_local(place: Place, environment: str, differing: Mapping[str, Any]) -> None:
    names = ("postgres_port", "prefect_port", "mlflow_port", "serving_port")
    values = {**differing, **dict(zip(names, _find_free_ports(len(names)), strict=True))}
    path = place.home / environment / LOCAL_FILE
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def _find_free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _read_code(make_code: int, text: str) -> int:
    """The verb's own code, which make hides behind its 2."""
    mark = "the verb ended with exit code "
    if make_code and mark in text:
        return int(text.rsplit(mark, 1)[1].split()[0])
    return make_code
