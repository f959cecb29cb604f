import os
import resource
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.errors import ServingError
from headrace.serving.inference_log import InferenceLog, claim, list_segments, read_backlog, read_segment
from tests.serving.tiny import NOON, logged_rows


def clock() -> datetime:
    return NOON


def test_an_appended_request_is_on_disk_when_its_future_is_done(tmp_path: Path) -> None:
    log = InferenceLog(tmp_path, clock=clock)
    log.append(logged_rows("a")).result(timeout=5)
    (segment,) = list_segments(tmp_path)
    assert list(read_segment(segment).requests) == [logged_rows("a")]
    log.close()


def test_a_segment_is_named_after_instant_process_and_chance(tmp_path: Path) -> None:
    log = InferenceLog(tmp_path, clock=clock)
    log.append(logged_rows("a")).result(timeout=5)
    log.close()
    instant, process, chance = list_segments(tmp_path)[0].stem.split("-")
    assert (instant, process, len(chance)) == ("20130701T120000000000Z", str(os.getpid()), 8)


def test_requests_that_arrive_together_share_a_sync(tmp_path: Path) -> None:
    log = InferenceLog(tmp_path, clock=clock)
    start = threading.Barrier(32)

    def ask(worker: int) -> None:
        start.wait()
        for number in range(10):
            log.append(logged_rows(f"{worker}-{number}")).result(timeout=10)

    workers = [threading.Thread(target=ask, args=(worker,)) for worker in range(32)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log.close()
    assert log.line_count == 320
    assert log.sync_count < 320
    assert len(read_segment(list_segments(tmp_path)[0]).requests) == 320


def test_a_live_segment_cannot_be_claimed_and_a_closed_one_can(tmp_path: Path) -> None:
    log = InferenceLog(tmp_path, clock=clock)
    log.append(logged_rows("a")).result(timeout=5)
    (segment,) = list_segments(tmp_path)
    with claim(segment) as is_mine:
        assert not is_mine
    log.close()
    with claim(segment) as is_mine, claim(segment) as is_mine_too:
        assert is_mine
        assert not is_mine_too


def test_a_segment_that_is_gone_cannot_be_claimed(tmp_path: Path) -> None:
    with claim(tmp_path / "gone.jsonl") as is_mine:
        assert not is_mine


def test_a_full_segment_is_closed_and_the_next_line_begins_another(tmp_path: Path) -> None:
    log = InferenceLog(tmp_path, clock=clock, max_bytes=1)
    for request_id in ("a", "b"):
        log.append(logged_rows(request_id)).result(timeout=5)
    log.close()
    assert len(list_segments(tmp_path)) == 2


def test_an_old_segment_is_closed_though_nothing_is_asked(tmp_path: Path) -> None:
    log = InferenceLog(tmp_path, clock=clock, max_age_seconds=0.05)
    log.append(logged_rows("a")).result(timeout=5)
    (segment,) = list_segments(tmp_path)
    deadline = time.monotonic() + 5
    is_mine = False
    while not is_mine and time.monotonic() < deadline:
        with claim(segment) as is_mine:
            time.sleep(0.02)
    assert is_mine
    log.close()


def test_a_line_without_an_end_is_counted_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "20130701T120000000000Z-1-0.jsonl"
    path.write_bytes(b'[{"request_id": "a/0"}]\n[{"request_id": "b')
    segment = read_segment(path)
    assert [rows[0]["request_id"] for rows in segment.requests] == ["a/0"]
    assert segment.torn_count == 1


def test_a_finished_line_that_is_no_json_is_an_error_and_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "20130701T120000000000Z-1-0.jsonl"
    path.write_bytes(b'[{"request_id": "a/0"\n[]\n')
    with pytest.raises(ServingError, match="line 1 is not JSON"):
        read_segment(path)
    assert path.exists()


def test_a_log_that_cannot_be_written_fails_the_request_and_recovers(tmp_path: Path) -> None:
    """A limit on file size stands in for a full disk: the kernel refuses what lies beyond it."""
    folder = tmp_path / "log"
    log = InferenceLog(folder, clock=clock)
    log.append(logged_rows("before")).result(timeout=5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
    try:
        with pytest.raises(ServingError, match="cannot be written"):
            log.append(logged_rows("during", count=9)).result(timeout=5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    log.append(logged_rows("after")).result(timeout=5)
    log.close()
    segments = [read_segment(path) for path in list_segments(folder)]
    assert sorted(rows[0]["request_id"] for segment in segments for rows in segment.requests) == ["after/0", "before/0"]
    assert sum(segment.torn_count for segment in segments) == 1


def test_a_closed_log_refuses_requests(tmp_path: Path) -> None:
    log = InferenceLog(tmp_path, clock=clock)
    log.close()
    with pytest.raises(ServingError, match="is closed"):
        log.append(logged_rows("a"))


def test_the_backlog_says_how_much_waits_and_since_when(tmp_path: Path) -> None:
    assert read_backlog(tmp_path).oldest_at is None
    log = InferenceLog(tmp_path, clock=clock)
    log.append(logged_rows("a")).result(timeout=5)
    log.close()
    backlog = read_backlog(tmp_path)
    assert (backlog.segment_count, backlog.oldest_at) == (1, datetime(2013, 7, 1, 12, tzinfo=UTC))
    assert backlog.byte_count == list_segments(tmp_path)[0].stat().st_size


def test_lines_that_were_acknowledged_survive_kill_9(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from headrace.serving.inference_log import InferenceLog
from tests.serving.tiny import NOON, logged_rows
log = InferenceLog(Path(sys.argv[1]), clock=lambda: NOON)
for number in range(1_000_000):
    log.append(logged_rows(str(number))).result()
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(50)]
    process.kill()
    acknowledged += process.stdout.read().split("\n")[:-1]
    process.wait()
    (segment,) = list_segments(tmp_path)
    with claim(segment) as is_mine:
        assert is_mine
    logged = [rows[0]["request_id"].removesuffix("/0") for rows in read_segment(segment).requests]
    assert logged[: len(acknowledged)] == acknowledged
