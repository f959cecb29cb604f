"""Where the console's pages lie, and how they get there whole."""

import os
import tempfile
from pathlib import Path

import polars as pl

from headrace.console.quality_page import render_quality_page
from headrace.lake import tables
from headrace.settings import Settings
from headrace.use_case import UseCase


def story_path(settings: Settings, case: UseCase) -> Path:
    """The page that tells the story of a use case."""
    return settings.environment_home / f"story_{case.name}.html"


def quality_path(settings: Settings, case: UseCase) -> Path:
    """The page about what was expected of its batches, and what came."""
    return settings.environment_home / f"quality_{case.name}.html"


def write_quality_page(settings: Settings, case: UseCase) -> Path:
    """Write the data quality page and return where it lies."""
    rows = tables.read(settings, "metrics.data_quality").filter(pl.col("use_case") == case.name).collect()
    return write_page(quality_path(settings, case), render_quality_page(rows))


def write_page(path: Path, text: str) -> Path:
    """Replace a page at once: a reader, or a run that is killed, never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    # Temporary files are readable by their owner only; a page is for whoever may read the folder.
    Path(half).chmod(0o644)
    return Path(half).replace(path)
