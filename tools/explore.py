"""Explore a use case's lake: `python -m tools.explore notebook|page --use-case NAME`.

`notebook` opens marimo's editor on a copy of `notebooks/explore.py` in the environment's own folder, so that whoever explores changes
no file that git tracks; what somebody has changed there is never written over. `page` runs that copy, or the notebook itself where
there is none, without a server, and writes what it shows as one HTML file. marimo's own export would load its scripts from elsewhere.

The environment is `HEADRACE_ENV`; `--of prod` looks at another one's tables, with this one's rights.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NoReturn

from marimo import App

from headrace import process
from headrace.errors import HeadraceError
from headrace.explore.lake import Lake, open_lake
from headrace.explore.page import write_page
from headrace.servers import HOST
from headrace.settings import ROOT, load_settings

NOTEBOOK = ROOT / "notebooks" / "explore.py"

# An editor runs what is typed in it, so its address holds a token: other users of this machine cannot reach it.
_OPTIONS = ("--host", HOST, "--token", "--headless", "--no-sandbox", "--skip-update-check")

# The notebook runs when it is opened, which marimo leaves to a click; and the editor does not offer to send it, outputs and all, to others.
_VARIABLES = {"PYTHONPATH": str(ROOT), "MARIMO_RESTRICT_SHARING": "true", "_MARIMO_CONFIG_OVERLOAD_RUNTIME_AUTO_INSTANTIATE": "true"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; a person's mistake ends in one sentence."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        process.prepare(load_settings())
        lake = open_lake(options.use_case, of=options.of)
        if options.verb == "notebook":
            become_editor(lake, port=options.port)
        sys.stdout.write(f"{export(lake)}\n")
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.explore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("notebook", "page"))
    parser.add_argument("--use-case", required=True)
    parser.add_argument("--of", metavar="ENVIRONMENT", help="explore the tables of another environment, one that `readable` lists")
    parser.add_argument("--port", type=int, default=2718)
    return parser.parse_args(arguments)


def become_editor(lake: Lake, *, port: int) -> NoReturn:
    """Turn this process into marimo's editor; Ctrl-C ends it."""
    copy = place_copy(lake)
    is_changed = copy.read_bytes() != NOTEBOOK.read_bytes()
    sys.stdout.write(f"{copy} is yours to change" + (", and was; move it away to begin anew\n" if is_changed else "\n"))
    sys.stdout.flush()
    of = ["--of", lake.environment] if lake.environment != lake.settings.environment else []
    command = [sys.executable, "-m", "marimo", "edit", str(copy), "--port", str(port), *_OPTIONS, "--", "--use-case", lake.case.name, *of]
    os.execve(sys.executable, command, {**os.environ, **_VARIABLES})  # noqa: S606 - no shell, this very interpreter


def copy_path(lake: Lake) -> Path:
    """Where the notebook lies that a person may change."""
    return lake.folder / "notebooks" / f"explore_{lake.case.name}.py"


def place_copy(lake: Lake) -> Path:
    """Copy the notebook into the environment's folder, and return its place. A copy that somebody has changed stays as it is.

    A file beside it remembers what was copied, so that a copy nobody has changed follows the notebook of a later commit.
    """
    copy, notebook = copy_path(lake), NOTEBOOK.read_bytes()
    copied = copy.with_suffix(".copied")
    if not copy.exists() or (copied.exists() and copied.read_text(encoding="utf-8") == _hash(copy.read_bytes())):
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(notebook)
        copied.write_text(_hash(notebook), encoding="utf-8")
    return copy


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def export(lake: Lake) -> Path:
    """Run the notebook without a server, write its page and return where it lies.

    Raises:
        HeadraceError: A cell met one; or another error, which is named; or the copy that is run is no notebook any more.
    """
    is_copied = copy_path(lake).exists()
    notebook = place_copy(lake) if is_copied else NOTEBOOK
    outputs, _ = run_notebook(notebook, lake)
    return write_page(lake, outputs, notebook=notebook.name if is_copied else "notebooks/explore.py")


def run_notebook(path: Path, lake: Lake) -> tuple[Sequence[object], object]:
    """What the cells of a notebook end with, in their order, and what they define; its `lake` is the one given.

    Raises:
        HeadraceError: As for `export`.
    """
    try:
        return load_notebook(path).run(defs={"lake": lake})
    except HeadraceError:
        raise
    except Exception as error:  # a cell is anybody's code and may raise anything
        raise HeadraceError(f"{path} stopped in a cell: {type(error).__name__}: {error}. make explore shows which; or move it away") from error


def load_notebook(path: Path) -> App:
    """The notebook that a file holds."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


if __name__ == "__main__":
    sys.exit(main())
