"""From a file to a champion by two commands, in a clone of its own: a real table, every stage and every gate."""

import os
import shutil
import subprocess
import sys

import polars as pl
import pytest

from headrace.lake import tables
from headrace.settings import ROOT, load_settings
from tests.conventions.repository import repository_files
from tests.scaffold.real_tables import bundesliga

pytestmark = pytest.mark.long

ASKED = {"--name": "bundesliga", "--label": "home wins", "--time": "Date", "--key": "match id"}


class Clone:
    """The files of this clone in a folder of their own, and what a person types there."""

    def __init__(self, folder):
        self.folder, self.home = folder / "clone", folder / "home"
        for path in repository_files():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, self.folder / path)

    def type(self, *arguments, code=0):
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "PREFECT_", "MLFLOW_"))}
        variables |= {"HEADRACE_ENV": "dev", "HEADRACE_HOME": str(self.home)}
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=self.folder, env=variables, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    made = Clone(tmp_path_factory.mktemp("scaffolded"))
    bundesliga().write_csv(made.folder / "matches.csv")
    said = made.type("headrace.scaffold", *(part for pair in ASKED.items() for part in pair), "--from", "matches.csv")
    assert "written       13 files" in said
    return made


def test_its_own_tests_and_the_conventions_hold(clone):
    said = clone.type("pytest", "-q", "-p", "no:cacheprovider", "tests/use_cases/test_bundesliga.py", "tests/conventions/test_contracts_complete.py")
    assert "failed" not in said


def test_one_run_goes_from_the_file_to_champion_predictions_and_monitoring(clone):
    said = clone.type("flows", "lifecycle", "--use-case", "bundesliga")
    assert "champion      version" in said
    settings = load_settings("dev", home=clone.home, variables={})
    promotions = tables.read(settings, "metrics.promotions").collect()
    assert promotions.filter(pl.col("action") == "promote").height >= 1
    bronze = tables.read(settings, "bronze.bundesliga_matches").collect()
    assert bronze.height == bundesliga()["Date"].drop_nulls().len()
    assert bronze["match_id"].n_unique() == bronze.height
    ticks = tables.read(settings, "metrics.clock").collect()
    assert ticks.height == 5
    predictions = tables.read(settings, "inference.bundesliga_predictions").collect()
    assert predictions.height == pytest.approx(0.4 * bronze.height, rel=0.05)
    performance = tables.read(settings, "metrics.model_performance").collect()
    assert performance.filter(pl.col("metric") == "live/roc_auc")["value"].drop_nulls().min() > 0.5
    assert tables.read(settings, "metrics.drift").collect().height > 0
    assert (settings.pages_root / "story_bundesliga.html").is_file()


def test_the_same_again_does_nothing(clone):
    assert "nothing to do" in clone.type("flows", "lifecycle", "--use-case", "bundesliga")
