"""Writers at the same moment, and writers that die: one process's threads would not show it, so these are processes."""

import os
import signal
import subprocess
import sys
import time

import pytest
from polars.testing import assert_frame_equal

from headrace.lake import tables
from headrace.settings import ROOT, load_settings
from tests.lake import writers

WRITERS = 4

# Without the check and the commit on one handle, about every second round lets a batch in twice (17 to 25 of 40).
ROUNDS = 4


def assert_written_once(settings, table, is_new, *, rows):
    assert sorted(is_new) == [False] * (WRITERS - 1) + [True]
    assert tables.read_history(settings, table)["batch_id"].drop_nulls().len() == 1
    assert tables.read(settings, table).collect().height == rows


@pytest.mark.parametrize(
    ("write", "table", "rows"),
    [(writers.append_same, writers.SALES, 3), (writers.merge_same, writers.PRICES, 2), (writers.replace_same, writers.SALES, 1)],
)
def test_one_batch_written_by_many_at_once_is_in_the_table_once(tmp_path, write, table, rows):
    for number in range(ROUNDS):
        settings = load_settings("dev", home=tmp_path / str(number))
        is_new = writers.race_threads(write, settings.home, writers=WRITERS)
        assert_written_once(settings, table, is_new, rows=rows)


@pytest.mark.parametrize(
    ("write", "table", "expected"),
    [
        (writers.append_own, writers.SALES, [writer for writer in range(WRITERS) for _ in range(5)]),
        (writers.merge_own, writers.PRICES, [f"own{writer}" for writer in range(WRITERS)] + ["tea"]),
        (writers.replace_own, writers.SALES, list(range(WRITERS))),
    ],
)
def test_batches_of_many_writers_are_all_in_the_table(tmp_path, write, table, expected):
    for number in range(ROUNDS):
        settings = load_settings("dev", home=tmp_path / str(number))
        assert writers.race_threads(write, settings.home, writers=WRITERS) == [True] * WRITERS
        assert writers.read_sorted(settings, table).to_series(0).to_list() == expected


@pytest.mark.story
def test_processes_that_share_nothing_but_the_disk_write_a_batch_once_and_lose_none(settings):
    is_new = writers.race_processes(writers.append_same, settings.home, writers=WRITERS)
    assert_written_once(settings, writers.SALES, is_new, rows=3)
    assert writers.race_processes(writers.merge_own, settings.home, writers=WRITERS) == [True] * WRITERS
    assert writers.read_sorted(settings, writers.PRICES).height == WRITERS + 1


@pytest.mark.story
def test_a_writer_killed_anywhere_and_run_again_leaves_the_same_tables(tmp_path):
    undisturbed, killed = load_settings("dev", home=tmp_path / "undisturbed"), load_settings("dev", home=tmp_path / "killed")
    writers.write_week(undisturbed, lambda step: None)

    for step, delay_seconds in ((0, 0.005), (1, 0.01), (5, 0.003), (8, 0.015), (10, 0.008)):
        _kill_at(step, delay_seconds, killed.home)
    writers.write_week(killed, lambda step: None)

    for table in (writers.SALES, writers.PRICES, writers.DAYS):
        assert_frame_equal(writers.read_sorted(killed, table), writers.read_sorted(undisturbed, table))
        batches = tables.read_history(killed, table)["batch_id"].drop_nulls()
        assert sorted(batches) == sorted(tables.read_history(undisturbed, table)["batch_id"].drop_nulls())


def _kill_at(step, delay_seconds, home):
    """Run the week until a batch has begun, wait for as long as its write is under way, and kill -9."""
    with subprocess.Popen([sys.executable, "-m", "tests.lake.writers", str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == step:
                break
        time.sleep(delay_seconds)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
