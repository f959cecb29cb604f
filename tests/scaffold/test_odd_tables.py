"""Whatever a table and its file are called and hold, what is written is Python and YAML that say the same; else there is one sentence."""

import ast
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from headrace.errors import UseCaseError
from headrace.lake.contracts import read_contract
from headrace.scaffold.__main__ import main
from headrace.scaffold.render import literal
from headrace.settings import ROOT
from tests.scaffold.tables import ROWS, customers, write_csv

ASKED = {"--name": "churn", "--label": "churned", "--time": "signed_up_at", "--key": "Customer ID"}
NUMBER = pl.int_range(pl.len())


def make(root, rows, stem="customers", **asked):
    source = root.parent / f"{stem}.parquet"
    (customers() if rows is None else rows).write_parquet(source)
    options = ASKED | {f"--{name}": value for name, value in asked.items()} | {"--from": str(source)}
    return main([*(part for pair in options.items() for part in pair), "--root", str(root)])


def parse_all(root, name="churn"):
    """Every file, as what reads it reads it: constants of the Python files, and contracts by their layer."""
    trees = [ast.parse(path.read_text()) for path in root.rglob("*.py")]
    constants = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return constants, {path.stem.partition(".")[0]: read_contract(path) for path in (root / "data_contracts" / name).glob("[bgs]*.yaml")}


def is_tidy(root):
    shutil.copy2(ROOT / "pyproject.toml", root)
    known = ["--config", 'lint.isort.known-first-party = ["headrace", "tests", "use_cases"]']
    commands = (["check", "--quiet", *known], ["format", "--check", "--quiet"])
    return [subprocess.run([sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=root, check=False).returncode for command in commands]


@pytest.mark.parametrize("value", ['say "hi"', '"""', "back\\", "it's", '\'""', "a\nb", "😀 ü", "\x7f\u2028", "{{ x }}", ""])
def test_a_value_written_as_python_is_the_value(value):
    assert ast.literal_eval(literal(value)) == value


@pytest.mark.parametrize("value", ['"; x() #"""', "{{ 7 * 7 }} \\", "a: b\n# c", "😀\x7f\u2028ü"])
def test_values_of_label_and_categories_reach_code_and_contracts_as_they_are(tmp_path, value):
    rows = customers().with_columns(pl.when(pl.col("churned") == "yes").then(pl.lit(value)).otherwise(pl.lit("zz")).alias("churned"))
    rows = rows.vstack(rows.head(20).with_columns(churned=pl.lit("zz"), plan=pl.lit(value)))
    assert make(tmp_path / "clone", rows, stem='a"""\\ {{ x }} # b: c') == 0
    constants, contracts = parse_all(tmp_path / "clone")
    assert {value, "zz"} & constants
    assert value in (contracts["silver"].columns["churned"].allowed or ())
    assert value in (contracts["silver"].columns["plan"].allowed or ())


def test_columns_may_be_called_anything(tmp_path):
    odd = ["null", "true", "def", "1st", "a b", '"q"', "{{ x }}", "new\nline", "x: y", "\x7f", "born_on_age_days", "l" * 200]
    values = [pl.Series(name, np.random.default_rng(number).normal(size=ROWS)) for number, name in enumerate(odd)]
    rows = customers().rename({"Customer ID": "on", "churned": "no"}).with_columns(values)
    assert make(tmp_path / "clone", rows, key="on", label="no") == 0
    _, contracts = parse_all(tmp_path / "clone")
    assert {"null", "true", "def", "column_1st", "born_on_age_days", "born_on_age_days_2", "l" * 40} <= set(contracts["gold"].columns)
    assert contracts["silver"].key.columns == ("on",)
    assert is_tidy(tmp_path / "clone") == [0, 0]


def test_hundreds_of_columns_and_huge_numbers_are_as_tidy(tmp_path):
    generator = np.random.default_rng(0)
    many = {f"a_category_with_a_long_name_{number}": pl.Series(generator.choice(["a", "b"], ROWS)) for number in range(60)}
    rows = customers().with_columns(visits=pl.col("visits") * 1e17, **many)
    assert make(tmp_path / "clone", rows) == 0
    assert is_tidy(tmp_path / "clone") == [0, 0]


def test_values_of_personal_columns_stand_nowhere(tmp_path, capsys):
    rows = customers().with_columns(last_name=pl.when(NUMBER % 2 == 0).then(pl.lit("Quux")).otherwise(pl.lit("Xyzzy")), ssn=NUMBER + 987_000_000)
    assert make(tmp_path / "clone", rows) == 0
    assert make(tmp_path / "other", rows.with_columns(churned="email"), label="email") == UseCaseError.exit_code
    said = capsys.readouterr()
    texts = [path.read_text() for path in (tmp_path / "clone").rglob("*") if path.suffix in (".py", ".yaml")]
    assert not [text for text in (*texts, said.out, said.err) if "Quux" in text or "9870" in text or "c1@mail" in text]


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64])
def test_a_label_of_one_and_zero_is_about_one_even_where_one_is_common(tmp_path, capsys, kind):
    rows = customers().with_columns(churned=(NUMBER % 10 != 0).cast(kind))
    assert make(tmp_path / "clone", rows) == 0
    assert "Is churned 1? It is for 90.0% of the rows" in capsys.readouterr().out
    assert parse_all(tmp_path / "clone")[1]["silver"].columns["churned"].unit == "flag"


@pytest.mark.parametrize(
    ("change", "asked", "says"),
    [
        ({"signed_up_at": pl.lit(datetime(2024, 1, 1, tzinfo=UTC))}, {}, "1 different instants, which leave 0 rows to train on"),
        ({"signed_up_at": pl.lit(datetime(2024, 1, 1, tzinfo=UTC)) + pl.duration(seconds=NUMBER)}, {}, "lie further apart"),
        ({"signed_up_at": pl.when(NUMBER == 3).then(date(9999, 12, 31)).otherwise(date(2024, 1, 1))}, {}, "after 2200 in 1 row;"),
        ({"churned": NUMBER == 5}, {}, "one value only in the"),
        ({"churned": pl.when(NUMBER % 2 == 0).then(date(2024, 1, 1)).otherwise(date(2024, 1, 2))}, {}, "churned is Date"),
        ({"churned": pl.when(NUMBER % 2 == 0).then(pl.lit("x" * 31)).otherwise(pl.lit("y"))}, {}, "more than 30 letters"),
        ({}, {"name": "class"}, "a word of Python.*NAME=class_case"),
        ({}, {"name": "metrics"}, "the platform's own tables"),
        ({}, {"name": "a" * 31}, "has 31 letters, at most 30"),
    ],
)
def test_what_cannot_be_a_use_case_is_a_sentence_and_leaves_nothing(tmp_path, capsys, change, asked, says):
    assert make(tmp_path / "clone", customers().with_columns(**change), **asked) == UseCaseError.exit_code
    said = capsys.readouterr().err
    assert pl.Series([said]).str.contains(says).all(), said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".parquet"]


def test_only_the_three_named_columns_is_a_sentence(tmp_path, capsys):
    assert make(tmp_path / "clone", customers().select("Customer ID", "signed_up_at", "churned")) == UseCaseError.exit_code
    assert "has LABEL, TIME and KEY only" in capsys.readouterr().err


def test_a_file_of_another_name_is_more_rows_of_the_same_tables(tmp_path):
    root = tmp_path / "clone"
    assert [make(root, None, stem="customers"), make(root, customers(ROWS - 100), stem="_june")] == [0, 0]
    assert sorted(path.name for path in (root / "landing" / "churn" / "customers").iterdir()) == ["customers.parquet", "june.parquet"]
    assert len(list((root / "data_contracts" / "churn").iterdir())) == 5


def test_deliveries_of_one_name_and_one_time_all_stay(tmp_path):
    for rows in (customers(), customers(ROWS - 100), customers(ROWS - 200), customers(ROWS - 200)):
        source = write_csv(tmp_path, rows)
        times = (1_700_000_000, 1_700_000_000)
        os.utime(source, times)
        assert main([*(part for pair in ASKED.items() for part in pair), "--from", str(source), "--root", str(tmp_path / "clone")]) == 0
    heights = sorted(pl.read_parquet(path).height for path in (tmp_path / "clone" / "landing").rglob("*.parquet"))
    assert heights == [ROWS - 200, ROWS - 100, ROWS]


def test_a_use_case_that_somebody_wrote_is_left_alone(tmp_path, capsys):
    root = tmp_path / "clone"
    for folder in ("use_cases", "data_contracts"):
        shutil.copytree(ROOT / folder / "flight_delay", root / folder / "flight_delay")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert make(root, None, name="flight_delay") == UseCaseError.exit_code
    assert "flight_delay is there already" in capsys.readouterr().err
    assert make(root, None, name="flight", stem="delay_weather") == UseCaseError.exit_code
    assert "is of use case flight_delay already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_what_cannot_be_written_is_a_sentence_and_no_half_of_a_use_case(tmp_path, capsys):
    root = tmp_path / "clone"
    (root / "tests").mkdir(parents=True)
    (root / "tests" / "use_cases").write_text("in the way")
    assert make(root, None) == UseCaseError.exit_code
    assert "cannot be written" in capsys.readouterr().err
    assert not [path for path in root.rglob("*") if path.suffix in (".py", ".yaml")]


def test_two_runs_at_once_make_one_use_case(tmp_path):
    root, python = tmp_path / "clone", [sys.executable, "-m", "headrace.scaffold"]
    started = []
    for stem, rows in (("one", customers()), ("two", customers(ROWS - 100))):
        source = tmp_path / f"{stem}.parquet"
        rows.write_parquet(source)
        options = ASKED | {"--from": str(source), "--root": str(root)}
        started.append(subprocess.Popen([*python, *(part for pair in options.items() for part in pair)], cwd=ROOT, stdout=subprocess.DEVNULL))
    assert [run.wait(timeout=120) for run in started] == [0, 0]
    assert len(list((root / "data_contracts" / "churn").iterdir())) == 5
    assert len(list((root / "landing" / "churn").glob("*/*.parquet"))) == 2
