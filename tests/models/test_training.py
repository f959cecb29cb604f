from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from headrace.models.baseline import load_baseline
from headrace.models.candidate import DRIFT_REFERENCE, EXPLANATION, FILES, LINEAR, METRICS, MODEL, read_json
from headrace.models.linear import load_linear
from headrace.models.scorer import load_scorer
from headrace.models.splits import PREDICTED_AT
from headrace.models.training import CandidateReport, build_candidate
from tests.models.purchases import AS_OF, CASE, LABEL, POLICY, labelled_purchases

ROWS = labelled_purchases()


def build(folder: Path, rows: pl.DataFrame = ROWS, *, threads: int = 1, seed: int = 1) -> CandidateReport:
    folder.mkdir()
    return build_candidate(rows, case=CASE, as_of=AS_OF, seed=seed, threads=threads, folder=folder, provenance={"commit": "abc"})


def differing(one: Path, other: Path) -> list[str]:
    return [name for name in FILES if (one / name).read_bytes() != (other / name).read_bytes()]


def test_the_folder_is_complete_and_holds_nothing_else(built):
    assert sorted(path.name for path in built[0].iterdir()) == sorted(FILES)


@pytest.mark.parametrize(
    ("rows", "threads"),
    [
        pytest.param(ROWS, 1, id="again"),
        pytest.param(ROWS.sample(fraction=1, shuffle=True, seed=7), 1, id="rows in another order"),
        pytest.param(ROWS, 2, id="more threads"),
    ],
)
def test_the_same_rows_and_seed_write_the_same_bytes(built, tmp_path, rows, threads):
    build(tmp_path / "again", rows, threads=threads)
    assert differing(built[0], tmp_path / "again") == []


def test_another_seed_is_another_candidate(built, tmp_path):
    build(tmp_path / "other", seed=2)
    assert "candidate.json" in differing(built[0], tmp_path / "other")


def test_nothing_of_the_holdout_reaches_the_model(built, tmp_path):
    in_holdout = pl.col(PREDICTED_AT) >= built[1].candidate.holdout_start
    scrambled = ROWS.with_columns(pl.when(in_holdout).then(1 - pl.col(LABEL)).otherwise(pl.col(LABEL)).alias(LABEL))
    report = build(tmp_path / "scrambled", scrambled)
    assert set(differing(built[0], tmp_path / "scrambled")) <= {METRICS, "card.md"}
    assert report.metrics["holdout/roc_auc"] < 0.5 < built[1].metrics["holdout/roc_auc"]


def test_the_figures_are_those_of_the_stored_files_on_the_holdout(built):
    folder, report = built
    candidate = report.candidate
    holdout = ROWS.filter(pl.col(PREDICTED_AT).is_between(candidate.holdout_start, candidate.holdout_end, closed="left")).drop_nulls(LABEL)
    for whose, model in (("", load_scorer(folder)), ("linear_", load_linear(folder)), ("baseline_", load_baseline(folder))):
        gaps = holdout[LABEL].to_numpy() - model.predict(holdout)
        assert report.metrics[f"holdout/{whose}brier_score"] == pytest.approx((gaps**2).mean())
    assert read_json(folder / METRICS)["holdout/row_count"] == holdout.height


def test_the_model_beats_the_business_rule_where_there_is_something_to_learn(built):
    assert built[1].metrics["holdout/log_loss"] < built[1].metrics["holdout/baseline_log_loss"]


def test_figures_come_by_slice_and_month_too(built):
    slices = {(row["slice_column"], row["slice_value"]) for row in read_json(built[0] / METRICS)["slices"]}
    assert {("all", "all"), ("shop", "north"), ("shop", "south"), ("month", "2013-02")} <= slices


def test_the_explanation_names_every_feature_strongest_first(built):
    explanation = read_json(built[0] / EXPLANATION)
    assert set(explanation) == set(CASE.features.names)
    assert next(iter(explanation)) == "amount_eur"
    assert list(explanation.values()) == sorted(explanation.values(), reverse=True)


def test_drift_is_measured_against_rows_that_were_trained_on(built):
    folder, report = built
    reference = pl.read_parquet(folder / DRIFT_REFERENCE)
    assert reference.columns == [PREDICTED_AT, *CASE.features.names]
    assert reference.height == POLICY.drift_sample_rows
    assert reference[PREDICTED_AT].max() < report.candidate.validation_end


def test_a_history_of_days_is_enough_to_cross_fit(tmp_path):
    short = replace(CASE, training=replace(CASE.training, history=timedelta(days=3), validation=timedelta(days=3)))
    assert build_candidate(ROWS, case=short, as_of=AS_OF, seed=1, threads=1, folder=tmp_path, provenance={}).decision.passed


def test_blocked_rows_leave_an_empty_folder(tmp_path):
    few = replace(CASE, policy=replace(POLICY, min_training_rows=10_000))
    report = build_candidate(ROWS, case=few, as_of=AS_OF, seed=1, threads=1, folder=tmp_path, provenance={})
    assert not report.decision.passed
    assert report.candidate is None
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_features_version_are_left_out(tmp_path):
    report = build_candidate(ROWS.with_columns(features_version=2), case=CASE, as_of=AS_OF, seed=1, threads=1, folder=tmp_path, provenance={})
    assert "train_rows: 0 labelled rows" in report.decision.reason


def test_the_model_is_text_and_knows_no_machine(built):
    assert "[num_threads: 0]" in (built[0] / MODEL).read_text()
    assert read_json(built[0] / LINEAR)["features"] == list(CASE.features.names)
