"""The judging of real challengers: who passes, who is turned away, and what is no verdict at all."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from headrace.decisions import blocked, decide_all
from headrace.errors import CandidateError, RegistryError
from headrace.features import refresh
from headrace.lake import tables
from headrace.models.scorer import load_scorer
from headrace.registry import history, promotion, versions
from tests.story.conftest import TRAINED_AS_OF


def judge(bench, version):
    """The two machine gates, the record and the aliases, as `promote` calls them."""
    judged = decide_all(
        "promotion",
        [
            promotion.decide_compliance(bench.settings, bench.case, version),
            promotion.decide_comparison(bench.settings, bench.case, version, as_of=TRAINED_AS_OF),
        ],
    )
    promotion.record_verdict(bench.settings, bench.case, version, judged, as_of=TRAINED_AS_OF)
    history.finish_promotions(bench.settings, bench.case)
    return judged


def champion(bench):
    version = versions.read_alias(bench.settings, bench.case, alias=versions.CHAMPION)
    return version.number if version else None


def flip(folder: Path) -> None:
    """Make the model say the opposite of what it has learned."""
    path = folder / "candidate.json"
    metadata = json.loads(path.read_text())
    metadata["calibration"]["slope"] = -metadata["calibration"]["slope"]
    path.write_text(json.dumps(metadata))


def change_metrics(folder: Path, **changes) -> None:
    path = folder / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_real_challenger_beats_the_business_rule_and_becomes_champion(bench):
    version = bench.register("a")
    verdict = judge(bench, version)
    assert verdict.passed, verdict.reason
    assert champion(bench) == version.number
    comparison = tables.read(bench.settings, "metrics.model_comparisons").collect().row(0, named=True)
    assert (comparison["opponent"], comparison["passed"]) == ("baseline", True)


def test_a_worse_model_is_turned_away_and_the_champion_stays(bench):
    good = bench.register("a")
    judge(bench, good)
    bad = bench.register("b", spoil=flip)
    verdict = judge(replace(bench, case=replace(bench.case, policy=replace(bench.case.policy, min_gain=0.0))), bad)
    assert not verdict.passed
    assert champion(bench) == good.number
    assert versions.read(bench.settings, bench.case, number=bad.number).tags["stage"] == "archived"
    comparison = tables.read(bench.settings, "metrics.model_comparisons").collect().sort("challenger_version").row(1, named=True)
    assert (comparison["opponent"], comparison["opponent_version"]) == ("champion", good.number)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(lambda folder: (folder / "model.pkl").write_bytes(b"\x80"), "safe_files", id="a pickle among the files"),
        pytest.param(lambda folder: (folder / "load.py").write_text("print()"), "safe_files", id="code among the files"),
        pytest.param(lambda folder: (folder / "card.md").write_text(" "), "model_card", id="an empty card"),
        pytest.param(lambda folder: change_metrics(folder, **{"holdout/roc_auc": 0.97}), "suspicion", id="too good to be true"),
        pytest.param(lambda folder: change_metrics(folder, **{"holdout/roc_auc": None}), "suspicion", id="a missing metric"),
    ],
)
def test_a_version_that_does_not_comply_is_turned_away(bench, spoil, reason):
    verdict = judge(bench, bench.register("a", spoil=spoil))
    assert not verdict.passed
    assert reason in verdict.reason
    assert champion(bench) is None


def test_a_missing_tag_is_turned_away(bench):
    verdict = judge(bench, bench.register("a", commit=""))
    assert not verdict.passed
    assert "commit" in verdict.reason


def test_a_champion_whose_files_are_gone_is_no_verdict_about_the_challenger(bench):
    first = bench.register("a")
    judge(bench, first)
    shutil.rmtree(versions.candidate_folder(bench.settings, first))
    second = bench.register("b")
    with pytest.raises((CandidateError, RegistryError), match=r"cannot be read|refused"):
        promotion.decide_comparison(bench.settings, bench.case, second, as_of=TRAINED_AS_OF)
    assert history.read_decision(bench.settings, bench.case, model_id="b") is None
    assert champion(bench) == first.number


def test_a_verdict_cannot_be_put_into_the_past(bench):
    version = bench.register("a")
    early = promotion.decide_order(bench.settings, bench.case, version, as_of=TRAINED_AS_OF - timedelta(days=1))
    assert not early.passed
    assert "was built as of 2013-02-15" in early.reason
    assert promotion.decide_order(bench.settings, bench.case, version, as_of=TRAINED_AS_OF).passed

    decided = blocked("promotion", "for the test")
    history.record_verdict(bench.settings, bench.case, bench.register("b"), decided, as_of=TRAINED_AS_OF + timedelta(days=9), approver=None)
    late = promotion.decide_order(bench.settings, bench.case, version, as_of=TRAINED_AS_OF)
    assert not late.passed
    assert "a decision as of 2013-02-24" in late.reason


def test_an_unreachable_registry_is_no_verdict_either(bench):
    version = bench.register("a")
    unreachable = bench.settings.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(RegistryError, match="registry of dev"):
        promotion.decide_comparison(unreachable, bench.case, version, as_of=TRAINED_AS_OF)
    assert tables.read(bench.settings, "metrics.model_comparisons").collect().is_empty()


def test_a_loaded_version_predicts_through_mlflow_what_headrace_predicts(bench):
    import mlflow
    import numpy as np

    version = bench.register("a")
    scorer = load_scorer(versions.candidate_folder(bench.settings, version))
    rows = tables.read(bench.settings, "gold.flight_delay_features").head(50).collect()
    mlflow.set_registry_uri(bench.settings.registry_uri)
    mlflow.set_tracking_uri(bench.settings.registry_uri)
    model = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.number}")
    frame = rows.select("features_version", *bench.case.features.names).to_pandas()
    assert np.array_equal(model.predict(frame), scorer.predict(rows))


def test_a_higher_revision_of_a_slice_takes_the_place_of_its_rows(bench):
    gold = "gold.flight_delay_features"
    before = tables.read(bench.settings, gold).collect()
    refresh.append_features(bench.settings, bench.case, as_of=TRAINED_AS_OF, revision=2)
    after = tables.read(bench.settings, gold).collect()
    assert_frame_equal(before, after, check_row_order=False)
