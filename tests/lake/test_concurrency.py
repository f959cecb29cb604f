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


@pytest.mark.parametrize("write", [writers.append_same, writers.merge_same, writers.replace_same])
def test_one_batch_written_by_many_at_once_is_in_the_table_once(settings, write):
    table = writers.PRICES if write is writers.merge_same else writers.SALES
    is_new = writers.race(write, settings.home, writers=WRITERS)
    assert sorted(is_new) == [False] * (WRITERS - 1) + [True]
    batches = tables.read_history(settings, table)["batch_id"].drop_nulls()
    assert batches.len() == batches.n_unique() == 1
    assert tables.read(settings, table).collect().height == {writers.append_same: 3, writers.merge_same: 2, writers.replace_same: 1}[write]


def test_batches_of_many_writers_are_all_in_the_table(settings):
    assert writers.race(writers.append_own, settings.home, writers=WRITERS) == [True] * WRITERS
    assert writers.read_sorted(settings, writers.SALES)["amount"].to_list() == [writer for writer in range(WRITERS) for _ in range(5)]


def test_merges_of_many_writers_keep_one_row_per_key(settings):
    assert writers.race(writers.merge_own, settings.home, writers=WRITERS) == [True] * WRITERS
    items = writers.read_sorted(settings, writers.PRICES)["item"].to_list()
    assert items == [f"own{writer}" for writer in range(WRITERS)] + ["tea"]


def test_slices_replaced_by_many_writers_are_all_there(settings):
    assert writers.race(writers.replace_own, settings.home, writers=WRITERS) == [True] * WRITERS
    assert writers.read_sorted(settings, writers.SALES)["amount"].to_list() == list(range(WRITERS))


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
