"""From a file to a champion by two commands, in a clone of its own: a real table, every stage and every gate."""

import polars as pl
import pytest

from benchmarks.use_cases.clone import Clone
from benchmarks.use_cases.real_tables import bundesliga
from headrace.lake import tables

pytestmark = pytest.mark.long

ASKED = {"name": "bundesliga", "label": "home wins", "time": "Date", "key": "match id"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    made = Clone(tmp_path_factory.mktemp("scaffolded"), threads=1)
    bundesliga().write_csv(made.folder / "matches.csv")
    said = made.make_use_case(made.folder / "matches.csv", ASKED)
    assert "written       13 files" in said
    return made


def test_its_own_tests_and_the_conventions_hold(clone):
    said = clone.type("pytest", "-q", "-p", "no:cacheprovider", "tests/use_cases/test_bundesliga.py", "tests/conventions/test_contracts_complete.py")
    assert "failed" not in said


def test_one_run_goes_from_the_file_to_champion_predictions_and_monitoring(clone):
    said = clone.type("flows", "lifecycle", "--use-case", "bundesliga")
    assert "champion      version" in said
    settings = clone.settings
    promotions = tables.read(settings, "metrics.promotions").collect()
    # Twice, with the matches of seven years in between.
    assert promotions.filter((pl.col("action") == "promote") & pl.col("passed")).height >= 2
    bronze = tables.read(settings, "bronze.bundesliga_matches").collect()
    assert bronze.height == bundesliga()["Date"].drop_nulls().len()
    assert bronze["match_id"].n_unique() == bronze.height
    ticks = tables.read(settings, "metrics.clock").collect()
    assert ticks.height == 5
    predictions = tables.read(settings, "inference.bundesliga_predictions").collect()
    first = promotions.filter(pl.col("action") == "promote")["as_of"].min()
    # Every match since the first champion, none before.
    assert predictions.height == bronze.filter(pl.col("known_at") > first).height
    performance = tables.read(settings, "metrics.model_performance").collect()
    assert performance.filter(pl.col("metric") == "live/roc_auc")["value"].drop_nulls().min() > 0.5
    assert tables.read(settings, "metrics.drift").collect().height > 0
    assert (settings.pages_root / "story_bundesliga.html").is_file()


def test_the_same_again_does_nothing(clone):
    assert "nothing to do" in clone.type("flows", "lifecycle", "--use-case", "bundesliga")
