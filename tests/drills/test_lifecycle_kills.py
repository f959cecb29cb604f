"""A lifecycle that dies in bronze, among the verdicts of silver, in the registry and in the ticks after the promotion."""

from benchmarks.lifecycle import compare_tables, list_tables
from tests.faults.test_lifecycle_survives_kills import play_twice

# Writes after which each run dies; the next goes on where it was cut off.
KILLED_AFTER = (3, 23, 6, 25)


def test_a_lifecycle_that_is_killed_four_times_leaves_the_same_tables(tmp_path):
    left, right = play_twice(tmp_path, KILLED_AFTER)
    assert len(list_tables(left)) > 20
    assert compare_tables(left, right) == []
