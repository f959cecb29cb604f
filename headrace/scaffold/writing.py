"""Files reach the clone once. What is there already is never written over: a second run says how its files would differ, as a patch."""

import difflib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from headrace.scaffold.plan import Plan

PATCH = "proposal.patch"


def write_files(files: Mapping[Path, str], *, root: Path) -> list[Path]:
    """Write the files that are not there yet.

    Returns:
        Those that were written, as paths below `root`.
    """
    written = []
    for path, text in files.items():
        target = root / path
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def build_patch(files: Mapping[Path, str], *, root: Path) -> str:
    """What would make the files that are there into these, as `git apply` reads it; empty where nothing differs."""
    parts = []
    for path, text in files.items():
        target = root / path
        there = target.read_text(encoding="utf-8") if target.exists() else text
        parts += difflib.unified_diff(there.splitlines(keepends=True), text.splitlines(keepends=True), f"a/{path}", f"b/{path}")
    return "".join(parts)


def land(plan: Plan, *, folder: Path, source: Path) -> Path:
    """Put the rows where the use case looks for them, as Parquet with `known_at`; the same rows again are the same file.

    Returns:
        The file.
    """
    rows = plan.table.rows.with_columns(pl.col(plan.roles.time).alias("known_at"))
    target = folder / plan.feed / f"{source.stem}.parquet"
    if target.exists() and pl.read_parquet(target).equals(rows):
        return target
    if target.exists():
        # Another delivery of the same name: what came before stays, and its silver rows are replaced key by key.
        target = target.with_stem(f"{source.stem}-{datetime.fromtimestamp(source.stat().st_mtime).astimezone():%Y%m%dT%H%M%S}")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}")
    rows.write_parquet(draft)
    draft.replace(target)
    return target
