"""Delta tables, written exactly once per batch id.

Delta's app transactions are the ledger. Each commit carries two: the batch id, whose version is the hash of the content
(so the same id with other content is an error), and its slice, whose version is the revision (so an older revision never
overwrites a newer). delta-rs records transactions but does not enforce them on a fresh handle, so the check and the
commit here use one handle: a second writer in between makes the commit fail, and the check runs again.

A table is created, and a column that its contract added is put in, by a commit of its own before the batch: every batch,
the first too, is then checked and committed in the same way.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from headrace.errors import AccessError, BatchError, ContractError, LakeError, SchemaError
from headrace.lake import catalog, storage
from headrace.lake.batches import Batch, content_hash, parse_batch_id
from headrace.lake.contracts import TYPES, Contract, find_contract, list_schema_differences
from headrace.settings import Settings

logger = logging.getLogger(__name__)

# Eight writers at once needed up to 14 of delta-rs's own retries, and merges are never retried by it; each of ours starts
# from a fresh handle, so fifty is far beyond what one host's flows can cause and still ends within seconds.
ATTEMPTS = 50
_LONGEST_PAUSE_SECONDS = 0.25

SliceValue = str | int | bool | date | datetime
Slice = Mapping[str, SliceValue | tuple[SliceValue, SliceValue]]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a write did.

    Attributes:
        table: Local name of the table.
        version: Delta version after the write (or the present one when nothing was written).
        rows: Rows of the frame.
        is_new: False when this batch had been written before.
    """

    table: str
    version: int
    rows: int
    is_new: bool


def append(settings: Settings, table: str, frame: pl.DataFrame, *, batch_id: str) -> Written:
    """Add rows once.

    Args:
        settings: The environment that writes.
        table: `layer.noun`.
        frame: Rows with exactly the columns and types of the table.
        batch_id: `flow/use_case/slice/revision`.

    Raises:
        BatchError: The id was used with other content, or a later revision of the slice exists.
        SchemaError: A column is missing, unknown or of another type.
        AccessError: The table is another environment's.
    """

    def commit(handle: DeltaTable, rows: pl.DataFrame, properties: CommitProperties) -> None:
        write_deltalake(handle, rows, mode="append", commit_properties=properties)

    return _write_once(settings, table, frame, batch_id, "appended", commit)


def merge(settings: Settings, table: str, frame: pl.DataFrame, *, keys: Sequence[str], batch_id: str) -> Written:
    """Insert rows whose key is new and update those whose key exists, once; a row that is the same is left alone.

    Args:
        settings: The environment that writes.
        table: `layer.noun`.
        frame: Rows with exactly the columns and types of the table, unique and not null in `keys`.
        keys: Columns that identify a row.
        batch_id: `flow/use_case/slice/revision`.

    Raises:
        LakeError: A key is null or repeated (delta-rs would insert both rows).
        BatchError, SchemaError, AccessError: As for `append`.
    """
    _check_keys(table, frame, keys)

    def commit(handle: DeltaTable, rows: pl.DataFrame, properties: CommitProperties) -> None:
        version = handle.version()
        same_key = " AND ".join(f'target."{key}" = source."{key}"' for key in keys)
        others = [column for column in rows.columns if column not in keys]
        differs = " OR ".join(f'(target."{column}" IS DISTINCT FROM source."{column}")' for column in others)
        merger = handle.merge(rows, predicate=same_key, source_alias="source", target_alias="target", commit_properties=properties)
        if others:
            merger = merger.when_matched_update_all(predicate=differs)
        merger.when_not_matched_insert_all().execute()
        # A merge that changes nothing makes no commit; an empty append leaves the batch in the ledger all the same.
        if handle.version() == version:
            write_deltalake(handle, rows.clear(), mode="append", commit_properties=properties)

    return _write_once(settings, table, frame, batch_id, "merged", commit)


def replace(settings: Settings, table: str, frame: pl.DataFrame, *, where: Slice, batch_id: str) -> Written:
    """Replace one slice of a table by these rows, once.

    Args:
        settings: The environment that writes.
        table: `layer.noun`.
        frame: The slice's rows (none: the slice is emptied), with exactly the columns and types of the table.
        where: The slice: a value per column, or `(first, end)` for first <= column < end.
        batch_id: `flow/use_case/slice/revision`.

    Raises:
        LakeError: A row lies outside the slice, or the slice is empty.
        BatchError, SchemaError, AccessError: As for `append`.
    """
    outside = frame.height - frame.filter(*_slice_expressions(where)).height
    if outside or not where:
        raise LakeError(f"{table}: {outside} of {frame.height} rows lie outside the slice {dict(where)} that they replace")

    def commit(handle: DeltaTable, rows: pl.DataFrame, properties: CommitProperties) -> None:
        write_deltalake(handle, rows, mode="overwrite", predicate=_slice_sql(where), commit_properties=properties)

    return _write_once(settings, table, frame, batch_id, "replaced", commit)


def read(settings: Settings, table: str, *, version: int | None = None) -> pl.LazyFrame:
    """One version of a table, lazily; the newest when none is given. The frame stays on that version however often it is collected.

    A table that has a contract but no row yet is an empty frame of the promised schema, and a column that the contract
    promises but this version does not have yet is null.

    Raises:
        LakeError: There is no such table and no contract for it, or no such version.
        AccessError: The table is another environment's that this one may not read.
    """
    uri, contract = catalog.readable_uri(settings, table), find_contract(table)
    handle = _open(settings, uri)
    if handle is None:
        if contract is None or version is not None:
            at = f" at version {version}" if version is not None else ""
            raise LakeError(f"table {table} does not exist{at} in {uri.rpartition('/')[0]}; run the flow that writes it first")
        return pl.LazyFrame(schema=contract.schema)
    if version is not None and not 0 <= version <= handle.version():
        raise LakeError(f"table {table} has versions 0 to {handle.version()}, not {version}")
    with _one_sentence(settings, uri, f"the table at {uri} cannot be read", "Look at the newest files of its _delta_log"):
        frame = _scan(settings, uri, handle, version=handle.version() if version is None else version)
        stored = frame.collect_schema().names() if contract else []
    promised = contract.columns if contract else {}
    return frame.with_columns(
        pl.lit(None, TYPES[column.type]).alias(name) for name, column in promised.items() if name not in stored and column.nullable
    )


def list_tables(settings: Settings) -> list[str]:
    """Names (`layer.noun`) of all tables of the environment that is looked at, layer by layer."""
    names, lake = [], catalog.find_lake(settings, settings.seen)
    for layer in catalog.LAYERS:
        folder = f"{lake}/{layer}"
        is_remote = storage.is_remote(folder)
        nouns = storage.list_folders(settings, folder) if is_remote else [path.parent.name for path in Path(folder).glob("*/_delta_log")]
        names += [f"{layer}.{noun}" for noun in sorted(nouns)]
    return names


def read_version(settings: Settings, table: str) -> int | None:
    """The newest version of a table, or None when nothing was written to it yet."""
    handle = _open(settings, catalog.readable_uri(settings, table))
    return None if handle is None else handle.version()


def read_history(settings: Settings, table: str) -> pl.DataFrame:
    """One row per commit, newest first: `version`, `committed_at` (UTC), `operation`, `batch_id`."""
    uri = catalog.readable_uri(settings, table)
    with _one_sentence(settings, uri, f"the history of {uri} cannot be read", "Look at the newest files of its _delta_log"):
        handle = _open(settings, uri)
        commits = [] if handle is None else handle.history()
    schema = {"version": pl.Int64, "committed_at": pl.Datetime("ms", "UTC"), "operation": pl.String, "batch_id": pl.String}
    rows = [(c["version"], c["timestamp"], c["operation"], c.get("batch_id")) for c in commits]
    return pl.DataFrame(rows, schema=schema, orient="row")


def is_written(settings: Settings, table: str, *, batch_id: str) -> bool:
    """Whether a batch is in the table, whatever its content."""
    handle = _open(settings, catalog.readable_uri(settings, table))
    return handle is not None and handle.transaction_version(parse_batch_id(batch_id).id) is not None


Commit = Callable[[DeltaTable, pl.DataFrame, CommitProperties], None]


def _write_once(settings: Settings, table: str, frame: pl.DataFrame, batch_id: str, verb: str, commit: Commit) -> Written:
    uri, batch, contract = catalog.writable_uri(settings, table), parse_batch_id(batch_id), find_contract(table)
    digest = content_hash(frame, volatile=contract.volatile if contract else ())
    properties = CommitProperties(
        app_transactions=[Transaction(batch.id, digest), Transaction(batch.slice_id, batch.revision)],
        custom_metadata={"batch_id": batch.id},
    )
    storage.check_keeps_commits(settings, settings.lake)
    for _ in range(ATTEMPTS):
        try:
            with _one_sentence(settings, uri, f"{table} could not be written at {uri}", f"Nothing of {batch_id} is in it; run it again"):
                handle = _open(settings, uri)
                if handle is not None and _is_done(handle, table, batch, digest):
                    return Written(table=table, version=handle.version(), rows=frame.height, is_new=False)
                stored = pl.Schema() if handle is None else pl.Schema(handle.schema())
                rows = _fit(frame, stored, table, contract)
                if handle is None:
                    _create(settings, uri, rows.schema, contract)
                elif added := {name: dtype for name, dtype in rows.schema.items() if name not in stored}:
                    handle.alter.add_columns(_delta_schema(added).fields)
                else:
                    commit(handle, rows, properties)
                    logger.info("%s %s rows=%d version=%d", verb, table, frame.height, handle.version())
                    return Written(table=table, version=handle.version(), rows=frame.height, is_new=True)
        except CommitFailedError:
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))
    raise LakeError(f"{table}: {ATTEMPTS} attempts to commit {batch_id} met another writer each time; run it again when the others are done")


@contextmanager
def _one_sentence(settings: Settings, uri: str, what: str, next_move: str) -> Generator[None]:
    """What delta-rs and the storage say, as one sentence; what the local disk says is an `OSError` and stays one, so that a task tries again."""
    try:
        yield
    except (CommitFailedError, TableNotFoundError):
        raise
    except (DeltaError, OSError) as error:
        if storage.is_remote(uri):
            # Without its cause, which quotes the request.
            raise storage.explain(settings, uri, error) from None
        if isinstance(error, OSError):
            raise
        raise LakeError(f"{what}: {_first_line(error)}. {next_move}") from error


def _open(settings: Settings, uri: str, *, version: int | None = None) -> DeltaTable | None:
    with _one_sentence(settings, uri, f"the table at {uri} cannot be opened", "Look at the newest files of its _delta_log"):
        try:
            return DeltaTable(uri, version=version, storage_options=storage.build_options(settings, uri))
        except (TableNotFoundError, OSError) as error:
            if not storage.is_remote(uri):
                _check_reachable(uri)
            if isinstance(error, TableNotFoundError):
                return None
            raise


def _check_reachable(uri: str) -> None:
    """A table that may not be read is not one that is not there.

    Raises:
        AccessError: The operating system does not let this user look.
    """
    log = Path(uri, "_delta_log")
    try:
        # A log with nothing in it is a table that another writer is making at this moment.
        for name in os.listdir(log):
            (log / name).open("rb").close()
    except FileNotFoundError:
        return
    except PermissionError:
        raise AccessError(
            f"the table at {uri} may not be read by this user; open its folder and those above it (chmod o+rX), or ask its owner"
        ) from None


def _scan(settings: Settings, uri: str, handle: DeltaTable, *, version: int) -> pl.LazyFrame:
    if not storage.is_remote(uri):
        return pl.scan_delta(uri, version=version)
    # Opening costs a listing and as many requests as there are commits since the last checkpoint, so the newest version is opened once.
    pinned = handle if handle.version() == version else _open(settings, uri, version=version)
    return pl.scan_delta(pinned or uri)


def _create(settings: Settings, uri: str, schema: Mapping[str, pl.DataType], contract: Contract | None) -> None:
    if not storage.is_remote(uri):
        Path(uri).mkdir(parents=True, exist_ok=True)
    description = contract.description if contract else None
    DeltaTable.create(uri, _delta_schema(schema), mode="ignore", description=description, storage_options=storage.build_options(settings, uri))


def _delta_schema(schema: Mapping[str, pl.DataType]) -> Schema:
    return Schema.from_arrow(pl.DataFrame(schema=schema).to_arrow().schema)


def _first_line(error: DeltaError) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _is_done(handle: DeltaTable, table: str, batch: Batch, digest: int) -> bool:
    seen = handle.transaction_version(batch.id)
    if seen is not None and seen != digest:
        raise BatchError(
            f"{table}: batch {batch.id} was written before with other content; the same slice must give the same rows. "
            f"If its input was corrected, run it with a higher revision than {batch.revision}"
        )
    newest = handle.transaction_version(batch.slice_id)
    if seen is None and newest is not None and newest > batch.revision:
        raise BatchError(f"{table}: slice {batch.slice_id} is at revision {newest}; revision {batch.revision} comes too late")
    return seen is not None


def _fit(frame: pl.DataFrame, stored: pl.Schema, table: str, contract: Contract | None) -> pl.DataFrame:
    """The frame in the table's column order; refused unless every column and type is the table's own or a promised new one.

    Args:
        frame: Rows to write.
        stored: Schema of the table as it is; empty before its first batch.
        table: For messages.
        contract: The table's contract, whose new nullable columns are accepted; every other change is refused.
    """
    promised = contract.schema if contract else stored or frame.schema
    if stored and contract:
        _check_change(stored, table, contract)
    _check_schema(frame, promised, table)
    if unstorable := [f"{name} ({dtype})" for name, dtype in promised.items() if dtype not in TYPES.values()]:
        raise SchemaError(
            f"{table} cannot take {', '.join(unstorable)}: a table holds {', '.join(map(str, TYPES.values()))} only; cast before writing"
        )
    return frame.select(list(promised))


def _check_change(stored: pl.Schema, table: str, contract: Contract) -> None:
    promised = contract.schema
    # System columns are in no contract: they come with the layer, so none of them is ever new.
    if added := [name for name in promised if name not in stored and (name not in contract.columns or not contract.columns[name].nullable)]:
        raise ContractError(f"contract of {table} adds {', '.join(added)}, which is not nullable; only a new nullable column is accepted")
    if dropped := [name for name in stored if name not in promised]:
        raise ContractError(f"contract of {table} no longer has {', '.join(dropped)}, which the table holds; a column is never dropped")
    if changed := [name for name in promised if name in stored and stored[name] != promised[name]]:
        raise ContractError(f"contract of {table} changes the type of {', '.join(changed)}; a type is never changed, add a column instead")


def _check_schema(frame: pl.DataFrame, expected: Mapping[str, pl.DataType], table: str) -> None:
    """delta-rs truncates 8.5 to 8 and parses "12" without a word, so types must be equal before it sees them."""
    differences = list_schema_differences(frame.schema, expected)
    if differences:
        raise SchemaError(f"{table} cannot take this frame: {'; '.join(differences)}")


def _check_keys(table: str, frame: pl.DataFrame, keys: Sequence[str]) -> None:
    unknown = [key for key in keys if key not in frame.columns]
    if not keys or unknown:
        raise SchemaError(f"{table} cannot be merged on {list(keys)}: {unknown or 'no key'} is not among its columns")
    null_count = frame.select(pl.any_horizontal(pl.col(key).is_null() for key in keys).sum()).item()
    repeated_count = int(frame.select(keys).is_duplicated().sum())
    if null_count or repeated_count:
        raise LakeError(
            f"{table}: {null_count} rows have a null key and {repeated_count} share one; merging on {', '.join(keys)} needs each row once"
        )


def _slice_expressions(where: Slice) -> list[pl.Expr]:
    expressions = []
    for column, value in where.items():
        if isinstance(value, tuple):
            expressions.append((pl.col(column) >= pl.lit(value[0])) & (pl.col(column) < pl.lit(value[1])))
        else:
            expressions.append(pl.col(column) == pl.lit(value))
    return expressions


def _slice_sql(where: Slice) -> str:
    clauses = []
    for column, value in where.items():
        if isinstance(value, tuple):
            clauses.append(f'"{column}" >= {_literal(value[0])} AND "{column}" < {_literal(value[1])}')
        else:
            clauses.append(f'"{column}" = {_literal(value)}')
    return " AND ".join(clauses)


def _literal(value: SliceValue) -> str:
    """A value as SQL text; quotes are doubled, so no value can end its own literal."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case datetime():
            return f"arrow_cast('{value.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
        case date():
            return f"CAST('{value.isoformat()}' AS DATE)"
        case str():
            return "'" + value.replace("'", "''") + "'"
