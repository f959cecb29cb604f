"""The identity of a write: which flow, for which use case, which slice of the world, in which revision.

The slice is the window or file that the batch stands for, never when it ran; so running again names the same batch,
and the lake can tell. A backfill raises the revision.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import polars.selectors as cs

from headrace.errors import BatchError

_SHAPE = re.compile(r"(?P<flow>[a-z_]+)/(?P<use_case>[a-z0-9_]+)/(?P<slice>.+)/(?P<revision>[1-9][0-9]*)")


@dataclass(frozen=True)
class Batch:
    """A parsed batch id.

    Attributes:
        id: `flow/use_case/slice/revision`.
        slice_id: `flow/use_case/slice/*`: all revisions of it. No batch id ends so, hence no slice is taken for a batch.
        revision: 1 for the first writing of a slice.
    """

    id: str
    slice_id: str
    revision: int


def build_batch_id(flow: str, use_case: str, slice_name: str, revision: int = 1) -> str:
    """`flow/use_case/slice/revision`, refused when the parts do not make one."""
    return parse_batch_id(f"{flow}/{use_case}/{slice_name}/{revision}").id


def parse_batch_id(batch_id: str) -> Batch:
    """Split a batch id.

    Raises:
        BatchError: The text has another shape.
    """
    match = _SHAPE.fullmatch(batch_id)
    if match is None:
        raise BatchError(f"batch id {batch_id!r} is not flow/use_case/slice/revision, for example ingest/flight_delay/2013-04-01T00:00:00Z/1")
    return Batch(id=batch_id, slice_id=batch_id.rsplit("/", 1)[0] + "/*", revision=int(match["revision"]))


def build_blocked_id(batch_id: str, reason: str) -> str:
    """The batch id of a blocked verdict: a slice may be blocked for one reason, mended, and blocked for another; each is kept."""
    batch = parse_batch_id(batch_id)
    return f"{batch.slice_id}/blocked-{hashlib.sha256(reason.encode()).hexdigest()[:12]}/{batch.revision}"


def format_instant(instant: datetime) -> str:
    """A UTC instant as slices spell it: `2013-04-01T00:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def content_hash(frame: pl.DataFrame, *, volatile: Collection[str] = ()) -> int:
    """A 63-bit hash of the rows, whatever their order and whatever the columns called `volatile` hold.

    Rows are hashed as text rather than as Arrow buffers: text stays the same when a library changes its memory layout.
    Strings are quoted and null is not, so the two never look alike. Bytes stand in by their sha256, so that a hash of large
    documents makes no text as large as they are.
    """
    stable = frame.select(sorted(set(frame.columns) - set(volatile)))
    stable = stable.with_columns(_digest(stable[name]) for name in stable.select(cs.binary()).columns)
    nested = stable.select(cs.list() | cs.struct()).columns
    stable = stable.with_columns(pl.struct(column).struct.json_encode().alias(column) for column in nested)
    text = stable.sort(stable.columns, nulls_last=True).write_csv(null_value="\\N", quote_style="non_numeric")
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _digest(values: pl.Series) -> pl.Series:
    """The sha256 of each value, as text; null stays null."""
    digests = [None if value is None else hashlib.sha256(value).hexdigest() for value in values]
    return pl.Series(values.name, digests, dtype=pl.String)
