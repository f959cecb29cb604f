import numpy as np
import polars as pl
import pytest

from headrace.monitoring.drift import measure_drift, measure_drifted_fraction, sample_rows


def sample(seed: int, *, shift: float = 0.0, carriers: tuple[str, ...] = ("AA", "UA"), rows: int = 2_000) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    return pl.DataFrame({"delay": generator.normal(shift, 1, rows), "carrier": generator.choice(carriers, rows)})


def measure(current: pl.DataFrame, reference: pl.DataFrame) -> dict[str, dict]:
    measured = measure_drift(current, reference, numerical=["delay"], categorical=["carrier"], threshold=0.2)
    return {row["feature"]: row for row in measured.to_dicts()}


def test_a_shifted_feature_drifts_and_a_steady_one_does_not():
    found = measure(sample(1, shift=1.0), sample(2))
    assert found["delay"]["is_drifted"]
    assert not found["carrier"]["is_drifted"]


def test_new_categories_drift():
    assert measure(sample(1, carriers=("AA", "UA", "ZZ")), sample(2))["carrier"]["value"] > 0.2


def test_psi_agrees_with_its_definition_on_the_same_bins():
    current, reference = sample(1, shift=0.7), sample(2)
    edges = np.histogram_bin_edges(np.concatenate([current["delay"], reference["delay"]]), bins="sturges")
    shares = [np.clip(np.histogram(frame["delay"], edges)[0] / frame.height, 0.0001, None) for frame in (current, reference)]
    by_hand = float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())
    assert measure(current, reference)["delay"]["value"] == pytest.approx(by_hand, rel=0.05)


@pytest.mark.parametrize("side", ["current", "reference"])
def test_a_feature_without_values_has_no_drift_and_says_why(side):
    frames = {"current": sample(1), "reference": sample(2)}
    frames[side] = frames[side].with_columns(pl.lit(None, dtype=pl.Float64).alias("delay"))
    found = measure(frames["current"], frames["reference"])
    assert found["delay"]["value"] is None
    assert found["delay"]["is_drifted"] is None
    assert "0 values" in found["delay"]["reason"]
    assert found["carrier"]["value"] is not None


def test_a_missing_or_empty_reference_is_no_drift_of_zero():
    found = measure(sample(1), sample(2).clear())
    assert [found[name]["is_drifted"] for name in ("delay", "carrier")] == [None, None]


def test_a_sample_is_the_same_whatever_order_its_rows_come_in():
    rows = sample(1, rows=300)
    left, right = (sample_rows(frame, limit=50, seed=7, key=["delay", "carrier"]) for frame in (rows, rows.sample(fraction=1, shuffle=True, seed=3)))
    assert left.equals(right)


def test_psi_is_that_of_an_evidently_report():
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    current, reference = sample(1, shift=0.7, carriers=("AA", "UA", "ZZ")), sample(2)
    definition = DataDefinition(numerical_columns=["delay"], categorical_columns=["carrier"])
    sides = [Dataset.from_pandas(frame.to_pandas(), data_definition=definition) for frame in (current, reference)]
    reported = Report([ValueDrift(column=name, method="psi") for name in ("delay", "carrier")]).run(*sides).dict()["metrics"]
    expected = {metric["config"]["column"]: metric["value"] for metric in reported}
    assert {name: row["value"] for name, row in measure(current, reference).items()} == pytest.approx(expected, abs=1e-12)


def test_values_that_are_no_numbers_are_left_out_and_not_counted():
    rows = sample(1).with_columns(pl.when(pl.int_range(pl.len()) < 5).then(float("nan")).otherwise("delay").alias("delay"))
    found = measure(rows, sample(1)[5:])
    assert (found["delay"]["current_count"], found["delay"]["value"]) == (1_995, 0.0)


@pytest.mark.parametrize(
    ("flags", "fraction"),
    [
        pytest.param([True, False, False, False], 0.25, id="calm"),
        pytest.param([True, True, False, None], 0.5, id="drifted, whatever the unknown one did"),
        pytest.param([False, False, False, None], 0.0, id="calm, whatever the unknown one did"),
        pytest.param([True, False, False, None], None, id="the unknown one decides"),
        pytest.param([None, None, None, None], None, id="nothing is known"),
        pytest.param([], None, id="no feature"),
    ],
)
def test_a_window_is_judged_only_where_unknown_features_could_not_decide(flags, fraction):
    assert measure_drifted_fraction(pl.DataFrame({"is_drifted": flags}, schema={"is_drifted": pl.Boolean}), bar=0.5) == fraction
