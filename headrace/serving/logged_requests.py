"""Answers that were given, by their ids: in the lake, or still in the log."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from headrace.lake import tables
from headrace.models.kinds import load_kind
from headrace.serving.inference_log import list_segments, log_folder, parse_lines
from headrace.serving.request_rows import LoggedRow, format_rows, requests_table
from headrace.settings import Settings
from headrace.use_case import UseCase


def find_requests(settings: Settings, case: UseCase, ids: Collection[str]) -> dict[str, LoggedRow]:
    """Rows of the requests table by `request_id`, whether they were drained or not; those that nobody was answered with are left out.

    Args:
        settings: The environment.
        case: The use case.
        ids: Keys of rows: a request's id, a slash, and the place of the question.
    """
    if not ids:
        return {}
    # The log first: a row leaves it only when it is in the lake, so one of the two has it.
    logged = [row for path in list_segments(log_folder(settings, case.name)) for row in _search(path, ids)]
    found = {row["request_id"]: row for row in logged}
    rest = sorted(set(ids) - set(found))
    table = requests_table(case.name)
    if rest and tables.read_version(settings, table) is not None:
        # The bounds let the scan skip files by their statistics.
        is_asked = pl.col("request_id").is_between(pl.lit(rest[0]), pl.lit(rest[-1])) & pl.col("request_id").is_in(rest)
        rows = format_rows(tables.read(settings, table).filter(is_asked).collect(), load_kind(case.kind))
        found |= {row["request_id"]: row for row in rows}
    return found


def _search(path: Path, ids: Collection[str]) -> list[LoggedRow]:
    wanted, keys = set(ids), [f'"{key}"'.encode() for key in ids]
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    *lines, _ = content.split(b"\n")
    mine = parse_lines(path, lines, is_wanted=lambda line: any(key in line for key in keys))
    return [row for request in mine for row in request if row["request_id"] in wanted]
