import logging
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from headrace.errors import ServingError
from headrace.lake import tables
from headrace.models.kinds import load_kind
from headrace.serving.drain import drain
from headrace.serving.inference_log import InferenceLog, list_segments, log_folder
from headrace.serving.request_rows import build_frame, format_rows, requests_table
from headrace.settings import Settings
from tests.serving.tiny import NOON, TINY, logged_rows, stored_ids, tiny_settings

TABLE = requests_table("tiny")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return tiny_settings(tmp_path)


BINARY = load_kind("binary")


def write_segment(settings: Settings, *requests: list[dict[str, object]], tail: bytes = b"") -> Path:
    """A closed segment; successive calls give later ones."""
    folder = log_folder(settings, TINY.name)
    instant = NOON + timedelta(seconds=len(list_segments(folder)))
    log = InferenceLog(folder, clock=lambda: instant)
    for rows in requests:
        log.append(rows).result(timeout=5)
    log.close()
    path = list_segments(folder)[-1]
    with path.open("ab") as file:
        file.write(tail)
    return path


def stored(settings: Settings) -> pl.DataFrame:
    return tables.read(settings, TABLE).collect()


def test_rows_are_the_same_after_log_and_drain(settings: Settings) -> None:
    rows = logged_rows("a", probability=1 / 3, count=2, instant=NOON + timedelta(microseconds=1))
    write_segment(settings, rows)
    assert drain(settings, TINY) == 2
    assert stored(settings).equals(build_frame([rows], BINARY))
    assert build_frame([format_rows(stored(settings), BINARY)], BINARY).equals(stored(settings))


def test_drained_segments_are_gone_and_named_as_batches(settings: Settings) -> None:
    names = [write_segment(settings, logged_rows(request_id)).name for request_id in ("a", "b")]
    drain(settings, TINY)
    assert list_segments(log_folder(settings, TINY.name)) == []
    assert all(tables.is_written(settings, TABLE, batch_id=f"drain/tiny/{name}/1") for name in names)


def test_nothing_to_drain_is_no_error(settings: Settings) -> None:
    assert drain(settings, TINY) == 0
    write_segment(settings, logged_rows("a"))
    assert [drain(settings, TINY), drain(settings, TINY)] == [1, 0]


def test_a_segment_that_is_being_written_is_left_alone(settings: Settings) -> None:
    log = InferenceLog(log_folder(settings, TINY.name), clock=lambda: NOON)
    log.append(logged_rows("a")).result(timeout=5)
    assert drain(settings, TINY) == 0
    log.close()
    assert drain(settings, TINY) == 1


def test_a_torn_line_is_dropped_and_counted(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    write_segment(settings, logged_rows("a"), tail=b'[{"request_id": "b/0", "requ')
    with caplog.at_level(logging.WARNING):
        assert drain(settings, TINY) == 1
    assert "torn_lines=1" in caplog.text
    assert stored_ids(stored(settings)) == ["a/0"]


def test_a_segment_of_nothing_but_a_torn_line_leaves_no_rows(settings: Settings) -> None:
    path = write_segment(settings, logged_rows("a"))
    path.write_bytes(b'[{"request_id": "b/0"')
    assert drain(settings, TINY) == 0
    assert list_segments(log_folder(settings, TINY.name)) == []


def test_an_unreadable_segment_stays_and_does_not_hold_up_the_others(settings: Settings) -> None:
    broken = write_segment(settings, logged_rows("a"), tail=b"no json\n")
    write_segment(settings, logged_rows("b"))
    with pytest.raises(ServingError, match="line 2 is not JSON"):
        drain(settings, TINY)
    assert list_segments(log_folder(settings, TINY.name)) == [broken]
    assert stored_ids(stored(settings)) == ["b/0"]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"request_id": "a/0"}, id="columns are missing"),
        pytest.param({**logged_rows("a")[0], "more": 1}, id="a column too many"),
        pytest.param({**logged_rows("a")[0], "probability_fraction": "high"}, id="wrong type"),
        pytest.param({**logged_rows("a")[0], "requested_at": "yesterday"}, id="no instant"),
        pytest.param(7, id="no row"),
    ],
)
def test_a_row_of_another_shape_is_an_error_and_no_loss(settings: Settings, row: object) -> None:
    path = write_segment(settings, [row])  # type: ignore[list-item] - wrong on purpose
    with pytest.raises(ServingError, match=r"not one of a requests table, request_id \(String\), .*drain it with the commit that wrote it") as caught:
        drain(settings, TINY)
    assert path.exists()
    # What was asked is in no error, and so in no log.
    assert "high" not in str(caught.value)
    assert "yesterday" not in str(caught.value)


def test_a_repeated_request_id_ends_once_in_the_table(settings: Settings) -> None:
    """Within a segment, across segments of one drain, and across drains; the first reply counts."""
    write_segment(settings, logged_rows("a", probability=0.1), logged_rows("a", probability=0.2))
    write_segment(settings, logged_rows("a", probability=0.3), logged_rows("b"))
    assert drain(settings, TINY) == 2
    write_segment(settings, logged_rows("a", probability=0.4))
    assert drain(settings, TINY) == 0
    assert stored_ids(stored(settings)) == ["a/0", "b/0"]
    assert stored(settings).filter(pl.col("request_id") == "a/0")["probability_fraction"].to_list() == [0.1]
    assert list_segments(log_folder(settings, TINY.name)) == []


# Each replaces one step by one that dies before or after it; the names are those of `headrace.serving.drain` and the lake.
DEATHS = {
    "before the commit": "drain.tables.append = lambda *a, **k: die()",
    "with files written, before the commit": "tables.write_deltalake = leave_orphan_and_die",
    "after the commit, before the segment goes": "drain.os.sync = die",
    "after the first of three segments": "count = iter('ab'); unlink = drain.Path.unlink; drain.Path.unlink = lambda path: (unlink(path), die())",
    "in the middle of the second segment": "count = iter([0]); sync = os.sync; drain.os.sync = lambda: next(count, None) is None and die()",
}

DRAIN_AND_DIE = """
import os, signal, sys
from pathlib import Path
from headrace.lake import tables
from headrace.serving import drain
from tests.serving.tiny import TINY, tiny_settings

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def leave_orphan_and_die(handle, rows, **kwargs):
    rows.write_parquet(handle.table_uri.removeprefix("file://") + "/orphan.parquet")
    die()

exec(sys.argv[2])
drain.drain(tiny_settings(Path(sys.argv[1])), TINY)
"""


@pytest.mark.story
@pytest.mark.parametrize("death", DEATHS)
def test_drain_killed_and_run_again_leaves_the_same_table(settings: Settings, death: str) -> None:
    requests = [logged_rows(request_id, count=2) for request_id in "abcde"]
    write_segment(settings, requests[0], requests[1])
    write_segment(settings, requests[2], requests[0])
    write_segment(settings, requests[3], requests[4], tail=b'[{"req')
    killed = subprocess.run([sys.executable, "-c", DRAIN_AND_DIE, str(settings.home), DEATHS[death]], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    drain(settings, TINY)
    assert stored(settings).sort("request_id").equals(build_frame(requests, BINARY).sort("request_id"))
    assert list_segments(log_folder(settings, TINY.name)) == []


@pytest.mark.story
def test_two_drains_at_once_write_each_row_once(settings: Settings) -> None:
    for request_id in "abcdef":
        write_segment(settings, logged_rows(request_id), logged_rows("same"))
    script = DRAIN_AND_DIE.replace("exec(sys.argv[2])\n", "")
    drains = [subprocess.Popen([sys.executable, "-c", script, str(settings.home)]) for _ in range(2)]
    assert [process.wait() for process in drains] == [0, 0]
    assert stored_ids(stored(settings)) == ["a/0", "b/0", "c/0", "d/0", "e/0", "f/0", "same/0"]
