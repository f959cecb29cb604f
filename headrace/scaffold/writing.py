"""Files reach the clone once. What is there already is never written over: a second run says how its files would differ, as a patch."""

import difflib
import fcntl
import os
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from headrace.errors import UseCaseError

PATCH = "proposal.patch"

# By this a use case says that it came from here.
_MADE = "Made by `make use-case`"


@contextmanager
def hold(root: Path) -> Generator[None]:
    """Let one run at a time write into a clone; another one waits. The lock goes with the process."""
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def find_feed(name: str, *, root: Path) -> str | None:
    """The feed of a use case that was made here before, so that other files go where it looks; None where there is none yet.

    Raises:
        UseCaseError: Somebody wrote a use case of that name, or another one has tables that begin with it.
    """
    module = root / "use_cases" / name / "__init__.py"
    contracts = sorted((root / "data_contracts" / name).glob(f"bronze.{name}_*.yaml"))
    if not module.exists() and not contracts:
        return None
    if len(contracts) != 1 or not module.exists() or _MADE not in module.read_text(encoding="utf-8", errors="replace"):
        raise UseCaseError(
            f"{name} is there already and is not a use case of one table as this command makes them; choose another NAME, "
            f"or remove use_cases/{name} and data_contracts/{name} if nobody needs them"
        )
    return contracts[0].stem.removeprefix(f"bronze.{name}_")


def check_free(files: Mapping[Path, str], *, root: Path) -> None:
    """Refuse tables that another use case has: `flight` of `delay_weather` is the weather of `flight_delay`.

    Raises:
        UseCaseError: A contract of the same table lies in another folder.
    """
    for path in files:
        others = [found for found in (root / "data_contracts").glob(f"*/{path.name}") if found != root / path] if path.suffix == ".yaml" else []
        if others:
            raise UseCaseError(
                f"the table {path.stem} is of use case {others[0].parent.name} already; choose another NAME, or another name for the file"
            )


def write_files(files: Mapping[Path, str], *, root: Path) -> list[Path]:
    """Write the files that are not there yet: all of them, or none.

    Returns:
        Those that were written, as paths below `root`.
    """
    written: list[Path] = []
    try:
        for path, text in files.items():
            target = root / path
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            target.write_text(text, encoding="utf-8")
    except OSError:
        for path in written:
            (root / path).unlink(missing_ok=True)
        raise
    return written


def build_patch(files: Mapping[Path, str], *, root: Path) -> str:
    """What would make the files that are there into these, as `git apply` reads it; empty where nothing differs."""
    parts = []
    for path, text in files.items():
        target = root / path
        there = target.read_text(encoding="utf-8", errors="replace") if target.exists() else text
        lines = difflib.unified_diff(there.splitlines(keepends=True), text.splitlines(keepends=True), f"a/{path}", f"b/{path}")
        parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return "".join(parts)


def find_same(rows: pl.DataFrame, folder: Path, *, but: Sequence[str] = ()) -> Path | None:
    """A landed file of the same rows, whatever it holds in some columns; None where there is none."""
    for there in sorted(folder.glob("*.parquet")):
        if pl.scan_parquet(there).select(pl.len()).collect().item() == rows.height and pl.read_parquet(there).drop(but).equals(rows.drop(but)):
            return there
    return None


def land(rows: pl.DataFrame, *, folder: Path, source: Path) -> Path:
    """Put rows where the use case looks for them, as Parquet.

    Args:
        rows: The rows with `known_at`.
        folder: The folder of their feed.
        source: The file they come from; the new one is named after it.

    Returns:
        The file.
    """
    # A name that begins with a dot or an underscore would be taken for a file that is still being written.
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", source.resolve().stem).strip("._")[:60] or folder.name
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{stem}.parquet"
    if target.exists():
        # Another delivery of the same name: what came before stays, and its silver rows are replaced key by key.
        dated = f"{stem}-{datetime.fromtimestamp(source.stat().st_mtime).astimezone():%Y%m%dT%H%M%S}"
        names = (f"{dated}{more}" for more in ("", *(f"-{number}" for number in range(2, 10_000))))
        target = next(found for name in names if not (found := target.with_name(f"{name}.parquet")).exists())
    draft = target.with_name(f".{target.name}")
    rows.write_parquet(draft)
    draft.replace(target)
    return target
