"""A forecast of one value per entity and day: what is measured when the use case is made is what its own view computes."""

import importlib.util
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.errors import UseCaseError
from headrace.features.materialize import build_features, build_spine
from headrace.lake.contracts import read_contract
from headrace.scaffold.plan import Question, build_plan
from headrace.scaffold.reading import read_table
from headrace.scaffold.render import render_files

DAYS, SHOPS = 300, ("north", "south")
START = datetime(2024, 1, 1, tzinfo=UTC)
ASKED = {"name": "shops", "label": "sales", "time": "day", "key": "shop", "kind": "forecast"}


def sales(*, step: timedelta = timedelta(days=1), steps: int = DAYS) -> pl.DataFrame:
    """Sales of two shops: a weekly course, some noise, and yesterday's visitors."""
    generator = np.random.default_rng(1)
    rows = [
        (shop, START + number * step, 100.0 + 10 * (number % 7) + place * 50 + float(generator.normal(0, 2)), int(generator.integers(5, 50)))
        for number in range(steps)
        for place, shop in enumerate(SHOPS)
    ]
    return pl.DataFrame(rows, schema=["shop", "day", "sales", "visitors"], orient="row")


def plan(tmp_path, rows, **asked):
    source = tmp_path / "sales.csv"
    rows.write_csv(source, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return build_plan(Question(source=source, **(ASKED | asked)), read_table(source))


@pytest.fixture
def made(tmp_path):
    return plan(tmp_path, sales().with_columns(pl.when(pl.int_range(pl.len()) != 41).then("sales").alias("sales")))


def load_features(made, tmp_path):
    """The generated module of features."""
    text = next(text for path, text in render_files(made).items() if path.name == "features.py")
    path = tmp_path / "generated_features.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("generated_features", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_features_as_they_were_measured_are_those_that_the_view_computes(made, tmp_path):
    module = load_features(made, tmp_path)
    known = {made.feed: made.landed.rows.with_columns(pl.col("day").alias("known_at"))}
    spine = build_spine(module.FEATURES, known, after=None, until=START + timedelta(days=DAYS))
    computed = build_features(module.FEATURES, known, spine)
    names = ["forecast_id", *sorted(module.FEATURES.names)]
    left, right = (rows.select(names).sort("forecast_id") for rows in (computed, made.table.rows))
    assert left.height == DAYS * len(SHOPS)
    assert_frame_equal(left, right, check_exact=False, abs_tol=1e-6)


def test_a_forecast_knows_nothing_of_its_day(made, tmp_path):
    module = load_features(made, tmp_path)
    rows = made.landed.rows.with_columns(pl.col("day").alias("known_at"))
    cut = START + timedelta(days=100)
    later_changed = rows.with_columns(pl.when(pl.col("day") > cut).then(-1.0).otherwise("sales").alias("sales"))
    features = []
    for known in (rows, later_changed):
        inputs = {made.feed: known}
        features.append(build_features(module.FEATURES, inputs, build_spine(module.FEATURES, inputs, after=None, until=cut)))
    assert_frame_equal(*features)
    assert features[0]["target_at"].max() == cut + timedelta(days=1)


def test_the_rule_is_the_value_of_the_same_weekday(made):
    row = made.table.rows.filter((pl.col("shop") == "north") & (pl.col("target_at") == START + timedelta(days=50))).row(0, named=True)
    value = dict(made.landed.rows.filter(pl.col("shop") == "north").select("day", "sales").rows())
    # Sales follow the week, so a week ago is closer than yesterday.
    assert made.baseline == {"sales_a_week_before": None}
    assert row["sales_a_week_before"] == value[START + timedelta(days=43)]
    assert row["sales_latest"] == value[START + timedelta(days=49)]
    assert row["sales"] == value[START + timedelta(days=50)]


def test_where_values_run_on_the_rule_is_the_latest(tmp_path):
    walk = sales(step=timedelta(hours=1), steps=600).with_columns((pl.col("sales") - 100).cum_sum().over("shop").alias("sales"))
    made = plan(tmp_path, walk)
    assert made.baseline == {"sales_latest": None}


def test_tables_are_keyed_by_what_and_when_and_forecasts_by_their_id(made, tmp_path):
    contracts = {}
    for path, text in render_files(made).items():
        if path.suffix == ".yaml":
            (tmp_path / path.name).write_text(text)
            contracts[path.name.split(".")[0]] = read_contract(tmp_path / path.name)
    assert contracts["silver"].key is not None
    assert contracts["silver"].key.columns == ("shop", "day")
    assert contracts["gold"].key is not None
    assert contracts["gold"].key.columns == ("forecast_id",)
    assert contracts["bronze"].columns.keys() >= {"shop", "day", "sales", "visitors"}
    assert contracts["inference"].columns["predicted_value"].type == "float64"


def test_a_column_that_is_called_as_one_of_ours_is_renamed(tmp_path):
    made = plan(tmp_path, sales().rename({"visitors": "target_month"}))
    assert "target_month_given_latest" in {one.name for one in made.roles.features}


def test_hours_are_forecast_too(tmp_path):
    made = plan(tmp_path, sales(step=timedelta(hours=1), steps=600))
    assert made.forecast is not None
    assert list(made.forecast.before) == ["sales_a_day_before", "sales_a_week_before"]
    assert "target_hour" in {one.name for one in made.roles.features}


@pytest.mark.parametrize(
    ("rows", "asked", "sentence"),
    [
        (sales(), {"key": "none"}, "KIND=forecast needs TIME.*and KEY"),
        (pl.concat([sales(), sales().head(3)]), {}, "KEY=shop and TIME=day repeat together in 3 rows of 603.*add such rows up in the export"),
        (sales(step=timedelta(days=3)), {}, "TIME=day goes in steps of 3 days, 0:00:00, KIND=forecast knows one value per day or per hour"),
        (sales().with_columns(pl.lit("much").alias("sales")), {}, "LABEL=sales has one value only"),
    ],
)
def test_what_cannot_be_forecast_is_refused(tmp_path, rows, asked, sentence):
    with pytest.raises(UseCaseError, match=sentence):
        plan(tmp_path, rows, **asked)
