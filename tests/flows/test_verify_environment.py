"""The verification of an environment, run as a person runs it, blocks on a broken one; that it passes is a drill, and an act of the story."""

import os
import subprocess
import sys

import polars as pl
import pytest

from headrace.lake import tables
from headrace.settings import ROOT, load_settings

pytestmark = pytest.mark.long

VERB = ["verify_environment", "--use-case", "flight_delay"]


def run(home, module, **variables):
    environment = {**os.environ, "HEADRACE_ENV": "dev", "HEADRACE_HOME": str(home), **variables}
    command = [sys.executable, "-m", module, *VERB]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)


def read_checks(home):
    return tables.read(load_settings("dev", home=home, variables={}), "metrics.environment_checks").collect()


def list_scratch(home):
    return sorted((home / "dev" / "run" / "verify").glob("*"))


def test_a_broken_stage_and_a_registry_that_is_away_block_and_are_both_named(tmp_path):
    killed = tmp_path / "dev" / "run" / "verify" / "flight_delay-20130101T000000Z"
    (killed / "dev_verify" / "lake").mkdir(parents=True)
    finished = run(tmp_path, "tests.flows.run_broken", HEADRACE_TRACKING_URI="http://127.0.0.1:9")
    assert finished.returncode == 3, finished.stdout + finished.stderr

    checks = read_checks(tmp_path)
    failed = dict(checks.filter(~pl.col("is_passed")).select("check_name", "reason").iter_rows())
    assert set(failed) == {"ingest@2013-02-15T00:00:00Z", "champion", "predictions", "performance", "registry"}
    assert "pressure (Float64) is missing" in failed["ingest@2013-02-15T00:00:00Z"]
    assert "the registry of dev" in failed["registry"]
    assert checks.filter(pl.col("kind") == "stage").height == 1, "nothing runs behind a stage that is blocked"

    # What it left is kept and named; what a killed one left is gone.
    [kept] = list_scratch(tmp_path)
    assert f"What it left: {kept}" in finished.stdout
    assert (kept / "dev_verify" / "lake" / "bronze").is_dir()
