"""The verification of an environment, run as a person runs it, passes on the real use case and leaves nothing behind but its record."""

import polars as pl

from headrace.settings import load_settings
from tests.flows.test_verify_environment import list_scratch, read_checks, run


def test_all_pipelines_together_pass_and_leave_nothing_but_their_record(tmp_path):
    finished = run(tmp_path, "flows")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    checks = read_checks(tmp_path)
    assert checks["is_passed"].all()
    stages = set(checks.filter(pl.col("kind") == "stage")["check_name"].str.split("@").list.first())
    assert stages == {"ingest", "refine", "featurize", "score", "monitor", "retrain", "promote"}
    assert set(checks.filter(pl.col("kind") == "outcome")["check_name"]) == {"champion", "predictions", "performance"}
    assert set(checks.filter(pl.col("kind") == "probe")["check_name"]) == {"registry"}
    assert checks["verified_at"].n_unique() == 1

    # The environment itself has no table but the record, no version and no scratch.
    settings = load_settings("dev", home=tmp_path, variables={})
    assert [path.parent.name for path in settings.lake_root.glob("*/*/_delta_log")] == ["environment_checks"]
    assert not (settings.environment_home / "registry").exists()
    assert list_scratch(tmp_path) == []
