"""A clone for a person with a table: the files of this one, a home of its own, and the verbs that she types there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from headrace.settings import ROOT, Settings, load_settings

# What a shell of hers does not have.
_OURS = ("HEADRACE_", "PREFECT_", "MLFLOW_")


class Clone:
    """The files that git has or would have, copied; nothing that is typed there reaches this one."""

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Copy the files.

        Args:
            folder: Where clone and home go.
            threads: Threads of one fit there; None: as the machine has.
        """
        self._threads = {} if threads is None else {"HEADRACE_THREADS": str(threads)}
        self.folder, self.home = folder / "clone", folder / "home"
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        for path in filter(None, listed.stdout.split("\0")):
            # A file that was deleted and not yet committed is listed too.
            if (ROOT / path).is_file():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, self.folder / path)

    @property
    def settings(self) -> Settings:
        """Of its dev environment."""
        return load_settings("dev", home=self.home, variables={})

    def type(self, *arguments: str, code: int = 0, seconds: int = 900) -> str:
        """Run `python -m <arguments>` there; what it said.

        Raises:
            AssertionError: It ended with another code.
        """
        variables = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        variables |= {"HEADRACE_ENV": "dev", "HEADRACE_HOME": str(self.home), **self._threads}
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def make_use_case(self, source: Path, asked: Mapping[str, str]) -> str:
        """`make use-case`; what it said."""
        return self.type("headrace.scaffold", *(part for name, value in asked.items() for part in (f"--{name}", value)), "--from", str(source))
