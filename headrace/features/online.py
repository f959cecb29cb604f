"""The online store: what every view says of every known entity at one instant of the refresh grid, in LMDB.

The store is a projection of silver by the views' own code, replaced as a whole in one transaction: a reader sees one
instant, never two, and an entity that nothing is known of any more is gone with the rest. Delete the folder, publish
again, and nothing is lost.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import lmdb
import numpy as np
import polars as pl

from headrace.errors import ServingError
from headrace.features.materialize import build_view_rows, floor_to_grid, select_feature_columns
from headrace.features.views import REFRESHED_AT, FeatureSet, FeatureView, Inputs

logger = logging.getLogger(__name__)

# LMDB reserves addresses, not disk: 4 GiB hold some 20 million entities of 20 features.
_MAP_BYTES = 4 * 2**30

# LMDB allows one open handle per folder and process. Opening costs 0.1 ms, so nobody keeps one: the publisher and the
# threads of a server may share a process, and a folder that was deleted and made anew is found.
_ONE_HANDLE = threading.Lock()

_STATE = b"state"
_ENTITY_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class StoreState:
    """What a store holds.

    Attributes:
        features_version: Version of the feature set that filled it.
        refreshed_at: Instant of the grid (UTC) it was filled for.
        features: Features by view, in the order of their values.
        entity_count: Entities over all views.
    """

    features_version: int
    refreshed_at: datetime
    features: Mapping[str, tuple[str, ...]]
    entity_count: int


def publish(root: Path, feature_set: FeatureSet, inputs: Inputs, as_of: datetime) -> StoreState:
    """Fill the store for the last instant of the grid at or before `as_of` (UTC).

    A store that is at a later instant of the same features version stays as it is: a run that comes late takes nothing back.

    Args:
        root: Folder of the store, one per use case.
        feature_set: What to compute.
        inputs: Silver rows by noun; those known after the instant are not used.
        as_of: See above.

    Returns:
        What the store holds now.

    Raises:
        ServingError: The folder cannot be written, or is no store.
    """
    at = floor_to_grid(as_of, feature_set.refresh)
    present = OnlineStore(root).read_state()
    if present is not None and _is_ahead(present, feature_set, at):
        return present
    views = {view.name: build_view_rows(view, inputs, at) for view in feature_set.views}
    state = StoreState(
        features_version=feature_set.version,
        refreshed_at=at,
        features={view.name: view.features for view in feature_set.views},
        entity_count=sum(rows.height - 1 for rows in views.values()),
    )
    return _replace_all(root, feature_set, state, views)


class OnlineStore:
    """A store as the server reads it: read-only, beside a publisher in this or another process."""

    def __init__(self, root: Path) -> None:
        """Name the folder of the store, one per use case; it may not exist yet."""
        self.root = root

    def read_state(self) -> StoreState | None:
        """What the store holds, or None while nothing was published.

        Raises:
            ServingError: The folder cannot be read, or is no store.
        """
        if not _is_store(self.root):
            return None
        with _open(self.root, is_writer=False) as transaction:
            return _read_state(transaction)

    def read(self, feature_set: FeatureSet, rows: pl.DataFrame) -> pl.DataFrame:
        """Add `refreshed_at` (UTC) and the views' features to rows, all of one instant.

        Args:
            feature_set: The features that are wanted.
            rows: Rows with the entity columns of every view.

        Raises:
            ServingError: Nothing was published, or features of another version were.
        """
        keys = {view.name: _entity_keys(view, rows) for view in feature_set.views}
        if not _is_store(self.root):
            raise ServingError(f"online store {self.root} is empty; run the flow featurize, which fills it")
        with _open(self.root, is_writer=False) as transaction:
            state = _require_state(transaction, feature_set, self.root)
            values = {name: [_get(transaction, key) or _get(transaction, _unknown_key(name)) for key in wanted] for name, wanted in keys.items()}
        features = [series for view in feature_set.views for series in _decode(view, values[view.name])]
        return rows.with_columns(pl.lit(state.refreshed_at, dtype=pl.Datetime("us", "UTC")).alias(REFRESHED_AT), *features)


def build_request_features(feature_set: FeatureSet, store: OnlineStore, rows: pl.DataFrame) -> pl.DataFrame:
    """The features of requested rows: on-demand features from the request, the views' from the store.

    Args:
        feature_set: What to compute.
        store: Its online store.
        rows: The request columns.

    Returns:
        What `build_features` gives for the same rows at the same instant, without the columns that a request lacks (its
        `prediction_at`, say). Grain: one row per requested row, in order.

    Raises:
        ServingError: Nothing was published, or features of another version were.
    """
    return select_feature_columns(feature_set, store.read(feature_set, feature_set.on_demand(rows)))


@contextmanager
def _open(root: Path, *, is_writer: bool) -> Generator[lmdb.Transaction]:
    """One transaction on the store; LMDB's own errors become ours."""
    try:
        if is_writer:
            root.mkdir(parents=True, exist_ok=True)
        with (
            _ONE_HANDLE,
            lmdb.open(str(root), map_size=_MAP_BYTES, readonly=not is_writer, create=is_writer) as environment,
            environment.begin(write=is_writer) as transaction,
        ):
            if is_writer:
                # A reader that was killed keeps its place, and with it the pages it was reading.
                environment.reader_check()
            yield transaction
    except (lmdb.Error, OSError) as error:
        raise ServingError(f"online store {root} cannot be used: {error}; if it stays so, delete the folder and run the flow featurize") from error


def _replace_all(root: Path, feature_set: FeatureSet, state: StoreState, views: Mapping[str, pl.DataFrame]) -> StoreState:
    """Put the views in the place of all that is there, unless another publisher was faster with a later instant."""
    items = sorted(item for view in feature_set.views for item in _encode(view, views[view.name]))
    with _open(root, is_writer=True) as transaction:
        present = _read_state(transaction)
        if present is not None and _is_ahead(present, feature_set, state.refreshed_at):
            return present
        with transaction.cursor() as cursor:
            while cursor.first() and cursor.delete():
                pass
            cursor.putmulti(items)
        transaction.put(_STATE, _format_state(state))
    logger.info("published %s entities=%d refreshed_at=%s", root.name, state.entity_count, state.refreshed_at.isoformat())
    return state


def _is_store(root: Path) -> bool:
    return (root / "data.mdb").exists()


def _is_ahead(present: StoreState, feature_set: FeatureSet, at: datetime) -> bool:
    """Whether a store must not go back; a store of other features helps nobody and is always replaced."""
    return present.features_version == feature_set.version and present.refreshed_at > at


def _require_state(transaction: lmdb.Transaction, feature_set: FeatureSet, root: Path) -> StoreState:
    state = _read_state(transaction)
    wanted = {view.name: view.features for view in feature_set.views}
    if state is None or state.features_version != feature_set.version or state.features != wanted:
        held = "nothing" if state is None else f"features of version {state.features_version}"
        needed = f"features of version {feature_set.version} are needed"
        raise ServingError(f"online store {root} holds {held}, {needed}; run the flow featurize of this commit")
    return state


def _entity_keys(view: FeatureView, rows: pl.DataFrame) -> list[bytes]:
    """The store's key of each row's entity: hashed, because LMDB's keys end at 511 bytes and a caller's names may not."""
    is_known = pl.all_horizontal(pl.col(column).is_not_null() for column in view.entity)
    texts = rows.select(pl.when(is_known).then(pl.struct(view.entity).struct.json_encode())).to_series()
    return [_unknown_key(view.name) if text is None else _hash(f"{view.name}/{text}") for text in texts]


def _unknown_key(view_name: str) -> bytes:
    """Where the values of an entity are that nothing is known of."""
    return _hash(view_name)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_ENTITY_BYTES).digest()


def _encode(view: FeatureView, rows: pl.DataFrame) -> list[tuple[bytes, bytes]]:
    """A view's rows as keys and values: float64, NaN for null."""
    matrix = np.ascontiguousarray(rows.select(pl.col(feature).fill_null(float("nan")) for feature in view.features).to_numpy(), dtype="<f8")
    return [(key, values.tobytes()) for key, values in zip(_entity_keys(view, rows), matrix, strict=True)]


def _decode(view: FeatureView, values: Sequence[bytes]) -> list[pl.Series]:
    matrix = np.frombuffer(b"".join(values), dtype="<f8").reshape(-1, len(view.features))
    return [pl.Series(feature, matrix[:, place], dtype=pl.Float64, nan_to_null=True) for place, feature in enumerate(view.features)]


def _format_state(state: StoreState) -> bytes:
    return json.dumps({**asdict(state), "refreshed_at": state.refreshed_at.isoformat()}).encode()


def _read_state(transaction: lmdb.Transaction) -> StoreState | None:
    content = _get(transaction, _STATE)
    if not content:
        return None
    values = json.loads(content)
    return StoreState(
        features_version=values["features_version"],
        refreshed_at=datetime.fromisoformat(values["refreshed_at"]),
        features={view: tuple(names) for view, names in values["features"].items()},
        entity_count=values["entity_count"],
    )


def _get(transaction: lmdb.Transaction, key: bytes) -> bytes:
    """The value of a key, empty where there is none."""
    return bytes(transaction.get(key, b"") or b"")
