"""What the values of a label ask, and tables without a time or a key."""

import polars as pl
import pytest

from headrace.errors import UseCaseError
from headrace.scaffold.placing import PLACED_AT, ROW_ID
from headrace.scaffold.plan import Question, build_plan
from headrace.scaffold.reading import read_table
from headrace.scaffold.render import render_files
from tests.scaffold.tables import ROWS, customers, write_csv

ASKED = {"name": "churn", "label": "churned", "time": "signed_up_at", "key": "Customer ID"}


def plan(tmp_path, rows=None, **asked):
    source = write_csv(tmp_path, rows)
    return build_plan(Question(source=source, **(ASKED | asked)), read_table(source))


def households(*, people):
    return customers().with_columns(household=pl.int_range(pl.len()) // people)


def stars(*, distinct):
    return customers().with_columns(stars=(pl.int_range(pl.len()) * 7 + pl.col("visits")) % distinct)


@pytest.mark.parametrize(
    ("asked", "kind", "title"),
    [
        ({}, "binary", "Is churned true?"),
        ({"label": "is_member"}, "binary", "Is is member true?"),
        ({"label": "plan"}, "multiclass", "What is plan?"),
        ({"label": "price_eur"}, "regression", "What is price eur?"),
        ({"label": "visits", "kind": "multiclass"}, "multiclass", "What is visits?"),
    ],
)
def test_the_values_of_the_label_say_which_kind_of_question_it_is(tmp_path, asked, kind, title):
    rows = customers().with_columns(pl.col("visits").clip(2, 6))
    made = plan(tmp_path, rows, **asked)
    assert made.roles.target.kind.name == kind
    assert made.title == title
    written = render_files(made)
    folder = next(iter(written)).parent
    assert f'kind="{kind}"' in written[folder / "__init__.py"]
    assert f"holdout/{made.roles.target.kind.watched[1]}" in written[folder / "policy.py"]


@pytest.mark.parametrize(
    ("rows", "asked", "sentence"),
    [
        (
            stars(distinct=5),
            {"label": "stars"},
            "LABEL=stars has 5 whole numbers: say KIND=multiclass if they are names of classes, KIND=",
        ),
        (customers(), {"kind": "ranking"}, "KIND=ranking is no kind that can be made from a table; choose one of binary, multiclass, regression"),
        (customers(), {"label": "plan", "kind": "regression"}, "LABEL=plan is String, KIND=regression needs numbers"),
        (stars(distinct=40), {"label": "stars", "kind": "multiclass"}, "LABEL=stars has 40 different values, more than the 30 classes"),
        (
            customers().with_columns(plan=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("rare")).otherwise("plan")),
            {"label": "plan"},
            "1 of the 4 values of LABEL=plan occur less than 10 times.*group them into one, or empty them",
        ),
        (customers(), {"group": "plan"}, "GROUP=plan is for tables without time"),
        (customers(), {"time": "none", "group": "nothing"}, "GROUP=nothing is no column of the table"),
        (customers(), {"time": "none", "group": "plan"}, "GROUP=plan has 3 different values, at least 20 are needed.*name a column of more values"),
        (
            households(people=4).with_columns(household=pl.when(pl.int_range(pl.len()) < 1_100).then(0).otherwise("household")),
            {"time": "none", "group": "household"},
            "GROUP=household has one value in 55% of the rows, at most 50% may stay together.*or leave GROUP out",
        ),
        (customers().with_columns(row_id=1), {"key": "none"}, "the table has a column row_id, which would be made here"),
    ],
)
def test_a_label_that_asks_nothing_that_can_be_learned_is_refused_with_the_way_out(tmp_path, rows, asked, sentence):
    with pytest.raises(UseCaseError, match=sentence):
        plan(tmp_path, rows, **asked)


def test_of_numbers_the_bars_follow_their_spread(tmp_path):
    made = plan(tmp_path, label="price_eur")
    spread = float(customers()["price_eur"].to_numpy().var())
    assert made.roles.target.variance == pytest.approx(spread)
    policy = next(text for path, text in render_files(made).items() if path.name == "policy.py")
    assert f"max_slice_loss={0.02 * spread:.2g}" in policy
    assert 'performance_metric="live/normalized_squared_error"' in policy


def test_the_contract_of_predictions_has_the_columns_of_the_kind(tmp_path):
    files = render_files(plan(tmp_path, label="price_eur"))
    contract = next(text for path, text in files.items() if path.name.startswith("inference.churn_predictions"))
    for column in ("predicted_value", "lower_value", "upper_value"):
        assert f"  {column}: {{type: float64, nullable: false" in contract


def test_without_time_every_split_is_a_random_one_and_says_so(tmp_path):
    made = plan(tmp_path, time="none", key="Customer ID")
    rows = made.table.rows
    assert made.roles.time == PLACED_AT
    assert rows[PLACED_AT].n_unique() == 100
    assert rows[PLACED_AT].value_counts()["count"].to_list() == [ROWS // 100] * 100
    assert rows.select(pl.corr(pl.int_range(pl.len()), pl.col(PLACED_AT).cast(pl.Int64))).item() == pytest.approx(0, abs=0.1)
    assert any("every split is a random one" in check and "name what they share: GROUP=" in check for check in made.checks)
    assert "beside the row's own time" in made.roles.left_out["signed_up_at"]
    files = render_files(made)
    module = next(text for path, text in files.items() if path.name == "__init__.py")
    assert "# The table has no time" in module
    assert "    has_made_up_days=True,\n)" in module
    said = [path.name.partition(".")[0] for path, text in files.items() if path.suffix == ".yaml" and "days are made up" in text]
    assert sorted(said) == ["bronze", "gold", "inference", "silver"]
    assert all("Made up: day on which the row lies" in text for path, text in files.items() if path.name.startswith(("bronze", "silver")))
    again = plan(tmp_path, time="none", key="Customer ID").table.rows
    assert again.equals(rows)


def test_rows_of_one_group_are_on_one_side_of_every_split(tmp_path):
    made = plan(tmp_path, households(people=4), time="none", group="household")
    placed = made.table.rows.group_by("household").agg(pl.col(PLACED_AT).n_unique())
    assert placed[PLACED_AT].max() == 1
    assert "stay together" in made.roles.left_out["household"]
    assert not any("GROUP=" in check for check in made.checks)


def test_that_few_groups_judge_is_said(tmp_path):
    made = plan(tmp_path, households(people=50), time="none", group="household")
    assert "GROUP=household has 40 values only, of which about 4 judge a model: take its verdicts with care." in made.checks


def test_a_files_own_placed_at_is_no_made_up_day(tmp_path):
    made = plan(tmp_path, customers().rename({"signed_up_at": "placed_at", "Customer ID": "row_id"}), time=PLACED_AT, key=ROW_ID)
    assert made.table.made == ()
    assert any("taken to be known at placed_at" in check for check in made.checks)
    files = render_files(made)
    assert not [path for path, text in files.items() if "made up" in text.lower() or "made_up" in text or "made here" in text.lower()]


def test_without_a_key_rows_are_numbered(tmp_path):
    made = plan(tmp_path, key="none")
    assert made.roles.key == ROW_ID
    assert made.table.rows[ROW_ID].to_list() == list(range(ROWS))
    assert any("numbered as they lie in the file" in check for check in made.checks)
