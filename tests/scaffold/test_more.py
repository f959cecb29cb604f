"""More rows for a use case that is there: however few, none is lost, and none takes another's place unsaid."""

import shutil
from datetime import UTC, datetime

import polars as pl
import pytest

from headrace.errors import UseCaseError
from headrace.scaffold.__main__ import main
from headrace.scaffold.more import add_rows
from headrace.scaffold.placing import PLACED_AT, ROW_ID
from headrace.scaffold.plan import Question
from headrace.scaffold.reading import read_table
from tests.scaffold.tables import ROWS, customers
from tests.scaffold.test_forecast import DAYS, sales

FEED = "customers"
BARE = {"--time": "none", "--key": "none"}


def make(root, rows, stem=FEED, **asked):
    source = root.parent / f"{stem}.csv"
    rows.write_csv(source, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    options = {"--name": "churn", "--label": "churned", "--time": "signed_up_at", "--key": "Customer ID", "--from": str(source)} | asked
    return main([*(part for pair in options.items() for part in pair), "--root", str(root)])


def landed(root):
    return pl.concat(pl.read_parquet(path) for path in sorted((root / "landing" / "churn" / FEED).glob("*.parquet")))


def test_rows_without_a_key_are_numbered_on_and_come_when_they_come(tmp_path):
    root = tmp_path / "clone"
    assert make(root, customers(), **BARE) == 0
    assert make(root, customers(20), stem="later", **BARE) == 0
    assert landed(root)[ROW_ID].sort().to_list() == list(range(ROWS + 20))
    newer = landed(root).filter(pl.col(ROW_ID) >= ROWS)
    assert newer[PLACED_AT].min().year >= 2026
    assert newer[PLACED_AT].equals(newer["known_at"].rename(PLACED_AT))


def test_the_same_file_again_adds_nothing_though_its_rows_have_no_key(tmp_path, capsys):
    root = tmp_path / "clone"
    make(root, customers(), **BARE)
    make(root, customers(20), stem="later", **BARE)
    for stem, rows in ((FEED, customers()), ("again", customers(20))):
        assert make(root, rows, stem=stem, **BARE) == 0
    assert landed(root).height == ROWS + 20
    assert f"churn is there already: it has these {ROWS:,} rows" in capsys.readouterr().out


def test_rows_that_a_killed_run_has_left_are_not_landed_twice(tmp_path):
    root = tmp_path / "clone"
    make(root, customers(), **BARE)
    for folder in ("use_cases", "data_contracts", "tests"):
        shutil.rmtree(root / folder)
    assert make(root, customers(), **BARE) == 0
    assert landed(root).height == ROWS


def test_a_few_rows_are_added_and_those_that_take_a_place_are_said(tmp_path, capsys):
    root = tmp_path / "clone"
    make(root, customers())
    before = {path: path.read_bytes() for path in root.rglob("*.py")}
    assert make(root, customers().head(30), stem="june") == 0
    said = capsys.readouterr().out
    assert "adding 30 rows to it, in landing/churn/customers/june.parquet; 30 have the key of an earlier row and take its place" in said
    assert "its files stay as they are; from these rows alone nothing could be proposed: 30 rows have a value of churned" in said
    assert {path: path.read_bytes() for path in root.rglob("*.py")} == before
    assert landed(root).height == ROWS + 30


def test_of_a_forecast_a_row_takes_the_place_of_the_same_instant_only(tmp_path, capsys):
    root, asked = tmp_path / "clone", {"--name": "churn", "--label": "sales", "--time": "day", "--key": "shop", "--kind": "forecast"}
    assert make(root, sales(), **asked) == 0
    later = sales(steps=DAYS + 5).tail(2 * 8)
    assert make(root, later, stem="later", **asked) == 0
    said = capsys.readouterr().out
    assert "adding 16 rows to it" in said
    assert "; 6 have the key of an earlier row and take its place" in said
    assert landed(root).height == 2 * DAYS + 16


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (customers().drop("plan").head(9), "has other columns than the use case that it would add to: it lacks plan; mend it"),
        (customers().with_columns(colour=pl.lit("red")).head(9), "it has colour beside them"),
        (customers().with_columns(pl.lit("much").alias("price_eur")).head(9), "cannot hold: price_eur is String here and Float64 there"),
        (customers().with_columns(pl.col("visits") + 0.5).head(9), "cannot hold: visits is Float64 here and Int64 there"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_landed(tmp_path, capsys, rows, says):
    root = tmp_path / "clone"
    make(root, customers())
    assert make(root, rows, stem="june") == UseCaseError.exit_code
    assert says in capsys.readouterr().err
    assert landed(root).height == ROWS


def test_whole_numbers_and_empty_columns_fit_where_numbers_were_promised(tmp_path):
    root = tmp_path / "clone"
    make(root, customers())
    source = tmp_path / "june.csv"
    customers().head(5).with_columns(pl.lit(40).alias("price_eur"), pl.lit(None, dtype=pl.String).alias("plan")).write_csv(source)
    question = Question(name="churn", source=source, feed=FEED, label="churned", time="signed_up_at", key="Customer ID")
    added = add_rows(question, read_table(source), feed=FEED, root=root, now=datetime(2026, 6, 1, tzinfo=UTC))
    rows = pl.read_parquet(added.path)
    assert rows.schema == landed(root).schema
    assert rows["price_eur"].to_list() == [40.0] * 5
