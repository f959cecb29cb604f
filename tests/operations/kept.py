"""An environment with something of everything that it keeps, and what to compare after a restore."""

import json
from datetime import UTC, datetime

import lmdb
import polars as pl
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from headrace import use_case as use_cases
from headrace.lake import runs, tables
from headrace.registry import versions
from headrace.registry.client import open_client
from operations import credentials

CASE = use_cases.load("flight_delay")
TICKS = CASE.replay.ticks[:3]
CLOCK = "metrics.clock"


def fill(settings):
    """An environment with something of everything that it keeps."""
    for tick in TICKS:
        runs.record_tick(settings, CASE.name, tick)
    # A replaced slice: an older version needs a file that the newest does not.
    row = pl.DataFrame({"use_case": [CASE.name], "tick": [TICKS[0]], "recorded_at": [datetime(2020, 1, 1, tzinfo=UTC)]})
    row = row.cast(dict(tables.read(settings, CLOCK).collect_schema()))
    tables.replace(settings, CLOCK, row, where={"tick": TICKS[0]}, batch_id="lifecycle/flight_delay/again/2")
    segment = settings.serving_root / CASE.name / "segment-1.jsonl"
    segment.parent.mkdir(parents=True)
    segment.write_text("[[]]\n")
    settings.online_root.mkdir(parents=True)
    with lmdb.open(str(settings.online_root)) as store, store.begin(write=True) as writing:
        writing.put(b"state", b"full")
    credentials.write(settings, "prefect_login", "admin:not-shown")
    (settings.environment_home / "run").mkdir(exist_ok=True)
    (settings.environment_home / "run" / "release.json").write_text(json.dumps({"commit": "0" * 40}))
    (settings.environment_home / "log").mkdir(exist_ok=True)
    (settings.environment_home / "log" / "train.log").write_text("no state\n")


def register(settings):
    """A version and an alias in the registry."""
    client, name = open_client(settings.registry_uri), versions.model_name(settings, CASE)
    client.create_registered_model(name)
    client.create_model_version(name, source=str(settings.environment_home / "registry" / "artifacts"), tags={"model_id": "1234"})
    client.set_registered_model_alias(name, versions.CHAMPION, "1")


def list_versions(settings):
    """Every version of every table as a frame."""
    found = {}
    for path in settings.lake_root.glob("*/*/_delta_log"):
        table = f"{path.parent.parent.name}.{path.parent.name}"
        for version in range(DeltaTable(str(path.parent)).version() + 1):
            rows = tables.read(settings, table, version=version).collect()
            found[table, version] = rows.sort(rows.columns)
    return found


def check_equal(left, right):
    assert set(left) == set(right)
    for key, frame in left.items():
        assert_frame_equal(frame, right[key])
