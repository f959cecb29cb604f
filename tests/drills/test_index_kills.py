"""An index whose making dies at each of its writes is, after the next run, the one that was made undisturbed."""

import pytest
from polars.testing import assert_frame_equal

from tests.llm.test_indexing import index_through_a_death


@pytest.mark.parametrize("moment", ["stage.record_report.before", "index.delete.after", "index.create_index.after"])
def test_an_index_that_died_anywhere_is_the_same_after_the_next_run(settings, tmp_path, moment):
    left, right = index_through_a_death(settings, tmp_path, moment)
    assert_frame_equal(left, right, check_row_order=False)
