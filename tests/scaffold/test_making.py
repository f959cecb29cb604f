"""`make use-case`: what it writes, what it says, what it refuses, and that it writes over nothing."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from headrace.errors import UseCaseError
from headrace.lake.contracts import read_contract
from headrace.scaffold.__main__ import main
from headrace.scaffold.plan import Question, build_plan
from headrace.scaffold.reading import read_table
from headrace.scaffold.render import render_files
from headrace.scaffold.windows import choose_windows
from headrace.settings import ROOT
from tests.scaffold.tables import ROWS, customers, write_csv

ASKED = {"name": "churn", "label": "churned", "time": "signed_up_at", "key": "Customer ID"}


def make(root, source, **asked):
    arguments = [part for name, value in (ASKED | {"from": str(source)} | asked).items() for part in (f"--{name}", value)]
    return main([*arguments, "--root", str(root)])


def plan(tmp_path, rows, **asked):
    source = write_csv(tmp_path, rows)
    return build_plan(Question(source=source, **(ASKED | asked)), read_table(source))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return plan(folder, customers())


def test_what_predicts_is_a_feature_and_what_does_not_has_its_reason(made):
    assert {one.name: one.kind for one in made.roles.features} == {
        "visits": "number",
        "price_eur": "number",
        "plan": "category",
        "class": "category",
        "is_member": "flag",
        "born_on_age_days": "age",
    }
    assert made.roles.features[0].name in ("visits", "plan")
    reasons = made.roles.left_out
    assert set(reasons) == {"email", "comment", "country", "left_on", "exit_survey"}
    assert "personal" in reasons["email"]
    assert "identifies rows" in reasons["comment"]
    assert "one value" in reasons["country"]
    assert "after signed_up_at" in reasons["left_on"]
    assert "tells the label" in reasons["exit_survey"]
    assert made.roles.subject == "customer_id"
    assert made.roles.target.positive is True


def test_windows_hold_the_rows_they_should(made):
    windows, times = made.windows, made.table.rows["signed_up_at"]
    assert list(windows.ticks) == sorted(set(windows.ticks))
    assert windows.ticks[-1] > times.max()
    assert (times < windows.ticks[0]).mean() == pytest.approx(0.6, abs=0.02)
    judged = times.is_between(windows.ticks[0] - windows.holdout, windows.ticks[0], closed="left").sum()
    assert judged == pytest.approx(0.12 * ROWS, rel=0.15)
    assert windows.holdout / windows.resample_by >= 10


@pytest.mark.parametrize("step", [timedelta(minutes=1), timedelta(hours=3), timedelta(days=1), timedelta(days=30)])
def test_windows_fit_any_span(step):
    start = datetime(2020, 1, 1, tzinfo=UTC)
    windows = choose_windows(pl.Series([start + number * step for number in range(3_000)]))
    assert len(windows.ticks) == 5
    assert min(windows.holdout, windows.validation, windows.resample_by, windows.window) > timedelta(0)
    assert windows.holdout + windows.validation < windows.ticks[0] - start


def test_it_writes_code_contracts_tests_and_rows_and_says_what_to_check(tmp_path, capsys):
    assert make(tmp_path / "clone", write_csv(tmp_path)) == 0
    said = capsys.readouterr().out
    for words in ("features      6", "left out      5", "exit_survey: alone it tells the label", "to check", "make run USE_CASE=churn"):
        assert words in said
    assert "c00001" not in said, "no row's value is shown"
    paths = sorted(str(path.relative_to(tmp_path / "clone")) for path in (tmp_path / "clone").rglob("*") if path.is_file())
    assert len([path for path in paths if path.startswith("use_cases/churn/")]) == 7
    assert [path for path in paths if path.startswith("tests/")] == ["tests/use_cases/test_churn.py"]
    contracts = [read_contract(path) for path in (tmp_path / "clone" / "data_contracts" / "churn").iterdir()]
    assert {contract.table.partition(".")[0] for contract in contracts} == {"bronze", "silver", "gold", "inference"}
    silver = next(contract for contract in contracts if contract.table.startswith("silver"))
    assert silver.columns["email"].pii == "direct"
    assert silver.subject_key == "customer_id"
    landed = pl.read_parquet(tmp_path / "clone" / "landing" / "churn" / "customers" / "customers.parquet")
    assert landed.height == ROWS
    assert landed["known_at"].equals(landed["signed_up_at"].alias("known_at"))


def test_what_it_writes_is_as_tidy_as_what_people_write(tmp_path):
    make(tmp_path, write_csv(tmp_path))
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    # In a clone the library lies beside it.
    known = ["--config", 'lint.isort.known-first-party = ["headrace", "tests", "use_cases"]']
    for arguments in (["check", "--quiet", *known], ["format", "--check", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "use_cases", "tests"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_table_writes_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        make(tmp_path / folder, write_csv(tmp_path))
    written = [
        {path.relative_to(tmp_path / folder): path.read_bytes() for path in (tmp_path / folder).rglob("*.*") if path.is_file()} for folder in "ab"
    ]
    assert written[0] == written[1]


def test_a_persons_edit_stays_and_new_data_propose_a_patch(tmp_path, capsys):
    make(tmp_path, write_csv(tmp_path))
    policy = tmp_path / "use_cases" / "churn" / "policy.py"
    policy.write_text(policy.read_text().replace("min_gain=0.0", "min_gain=0.002"))
    capsys.readouterr()
    make(tmp_path, write_csv(tmp_path, customers(ROWS - 100)))
    assert "min_gain=0.002" in policy.read_text()
    assert "were kept" in capsys.readouterr().out
    patch = (tmp_path / "landing" / "churn" / "proposal.patch").read_text()
    assert "-    min_gain=0.002," in patch
    assert "+    min_gain=0.0," in patch
    assert len(list((tmp_path / "landing" / "churn" / "customers").glob("*.parquet"))) == 2
    done = subprocess.run(["git", "apply", "--check", "landing/churn/proposal.patch"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_same_again_changes_nothing(tmp_path, capsys):
    source = write_csv(tmp_path)
    make(tmp_path, source)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert make(tmp_path, source) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "written       0 files" in capsys.readouterr().out


def test_what_is_missing_is_asked_for_with_what_the_table_offers(tmp_path, capsys):
    source = write_csv(tmp_path)
    assert make(tmp_path, source, label="", time="", key="", name="") == UseCaseError.exit_code
    said = capsys.readouterr().err
    for words in ("NAME is missing", "of 2 to 10 values: plan, is_member", "columns of those: signed_up_at", "repeated value: customer_id"):
        assert words in said
    assert not (tmp_path / "use_cases").exists()


TINY = customers(5)

# Two thirds of the rows on one day.
LUMPS = pl.when(pl.int_range(pl.len()) < 700).then(pl.date(2015, 1, 1) + pl.duration(days=pl.int_range(pl.len()))).otherwise(pl.date(2020, 7, 1))


@pytest.mark.parametrize(
    ("change", "asked", "says"),
    [
        (lambda rows: TINY, {}, "5 rows have a value of churned, at least 500 are needed"),
        (lambda rows: rows.with_columns(churned=pl.lit("yes")), {}, "one value only"),
        (lambda rows: rows, {"label": "plan", "kind": "binary"}, "must have two values.*KIND=binary; it has 3"),
        (lambda rows: rows, {"label": "nothing"}, "LABEL=nothing is no column of the table; it has Customer ID"),
        (lambda rows: rows, {"time": "visits"}, "TIME=visits is Int64, expected dates or instants.*signed_up_at"),
        (lambda rows: rows.with_columns(year=pl.lit(2024)), {"time": "year"}, "TIME=year holds years"),
        (lambda rows: rows.with_columns(year=LUMPS), {"time": "year"}, "leave 700 rows to train on .*, 0 to tune on .* or say TIME=none"),
        (lambda rows: rows, {"time": "left_on"}, "left_on is empty in"),
        (
            lambda rows: rows,
            {"key": "plan"},
            "KEY=plan repeats in 1,997 of 2,000 rows: it has 3 different values.* columns without a repeated value: customer_id.*say KEY=none",
        ),
        (lambda rows: rows, {"key": "price_eur"}, "a key is text or a whole number"),
        (lambda rows: rows, {"key": "churned"}, "one was named twice"),
        (lambda rows: rows, {"name": "../churn"}, "is not lower case letters"),
        (lambda rows: rows.select("Customer ID", "signed_up_at", "exit_survey", "churned"), {}, "no column is left"),
    ],
)
def test_what_cannot_be_a_use_case_is_a_sentence(tmp_path, change, asked, says):
    with pytest.raises(UseCaseError, match=says):
        plan(tmp_path, change(customers()), **asked)


def test_what_a_person_should_ask_is_asked(made, tmp_path):
    assert any("visits tells most alone" in check and "was it known by then?" in check for check in made.checks) == (
        made.roles.features[0].auc >= 0.7
    )
    rows = customers().with_columns(visits=pl.when(pl.col("churned") == "yes").then(pl.col("visits") + 6).otherwise("visits"))
    assert any(check.startswith("visits tells most alone (0.") for check in plan(tmp_path, rows).checks)
    letters = customers().with_columns(pl.col("churned").replace({"yes": "A", "no": "D"}))
    assert any(check.startswith("Yes is A, the rarer of the two values") for check in plan(tmp_path, letters).checks)
    assert not any("the rarer of the two" in check for check in made.checks)


def test_a_few_odd_rows_are_said_and_do_not_stop_it(tmp_path):
    rows = customers()
    odd = rows.with_columns(pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise("signed_up_at").alias("signed_up_at"))
    repeated = pl.concat([odd, odd.tail(2)])
    found = plan(tmp_path, repeated)
    assert found.table.rows.height == ROWS - 3 + 2
    said = " ".join(found.checks)
    assert "Left out: 3 rows without signed_up_at" in said
    assert "customer_id repeats: 2 rows of 1,999 have the customer_id of another row. The newest by signed_up_at counts" in said


def test_flags_counts_and_shares_have_their_unit_and_range(tmp_path):
    number = pl.int_range(pl.len())
    rows = customers().with_columns(has_app=number % 2, children_count=number % 2, paid_rate=(number % 10) / 10, points=number % 7)
    contracts = {path.name.split(".")[0]: text for path, text in render_files(plan(tmp_path, rows)).items() if path.suffix == ".yaml"}
    for promised in (
        'has_app: {type: int64, nullable: false, unit: "flag", range: [0, 1]',
        'children_count: {type: int64, nullable: false, unit: "count", range: [0, 2]',
        'paid_rate: {type: float64, nullable: false, unit: "fraction", range: [0, 1]',
        'points: {type: int64, nullable: false, unit: "to review", range: [0, 9]',
    ):
        assert promised in contracts["silver"]
    assert 'has_app: {type: float64, nullable: false, unit: "flag", range: [0, 1]' in contracts["gold"]
    assert 'is_member: {type: float64, nullable: false, unit: "flag", range: [0, 1]' in contracts["gold"]


def test_what_stands_in_for_an_answer_is_to_be_checked_on_the_screen_and_in_the_files(tmp_path):
    made = plan(tmp_path, customers().with_columns(has_app=pl.int_range(pl.len()) % 2))
    said = "\n".join(made.checks)
    assert "gold*.yaml: visits.\n" in said, "neither flags nor what its name tells the unit of"
    assert "retention_days is 1825 (five years) in every contract" in said
    assert "subject_key to check, in every contract: customer_id is taken to identify a person" in said
    contracts = [text for path, text in render_files(made).items() if path.suffix == ".yaml"]
    assert all("\nretention_days: 1825  # to review" in text and "  # to review: the column that identifies a person\n" in text for text in contracts)
    nobody = plan(tmp_path, customers().rename({"Customer ID": "order_no"}).drop("email"), key="order_no")
    assert any("it is null, so no row is taken to be about a person" in check for check in nobody.checks)


def test_the_business_rule_takes_no_number_that_runs_with_time(tmp_path, made):
    assert dict(made.baseline) == {"plan": None, "visits": 1.0}
    rows = customers().with_columns(serial=pl.int_range(pl.len()) // 10)
    assert "serial" not in plan(tmp_path, rows.drop("visits", "price_eur", "born_on")).baseline


def test_columns_that_tell_the_label_together_are_named(tmp_path, made):
    rows = customers()
    first = pl.Series(np.random.default_rng(1).integers(0, 6, ROWS))
    # As goals and the winner of a match: neither tells it alone.
    told = rows.with_columns(first_half=first, second_half=first + rows["churned"].eq("yes").cast(pl.Int64))
    said = " ".join(plan(tmp_path, told).checks)
    assert "Together the features tell churned" in said
    assert "second_half" in said
    assert "first_half" in said
    assert "Together" not in " ".join(made.checks)


def test_what_cannot_be_measured_is_not_taken_for_harmless(tmp_path):
    """Both windows have both answers, and the newer half has one only, so no column can be judged on it."""
    is_older = pl.int_range(pl.len()) < ROWS * 0.495
    rows = customers().with_columns(churned=pl.when(is_older).then("churned").otherwise(pl.lit("no")))
    with pytest.raises(UseCaseError, match="no column is left.*cannot be measured: the newer half of the rows has one value of churned only"):
        plan(tmp_path, rows)


def test_labels_that_are_not_there_yet_are_no_labels(tmp_path):
    rows = customers().with_columns(pl.when(pl.int_range(pl.len()) > ROWS - 100).then(None).otherwise("churned").alias("churned"))
    found = plan(tmp_path, rows)
    assert found.table.rows["churned"].null_count() == 99
    rate = customers()["churned"].eq("yes").head(ROWS - 99).mean()
    assert found.roles.target.summary == f"It is for {rate:.1%} of the rows."
