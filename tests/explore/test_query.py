"""SQL over the lake: it answers, and it reads nothing but tables of the lake."""

import polars as pl
import pytest

from headrace.errors import AccessError, LakeError
from headrace.explore.query import ANSWER_ROWS, answer_query

TABLES = {"gold.trips": pl.DataFrame({"carrier": ["UA", "AA", "UA"], "delay": [1.0, 2.0, 3.0]}), "metrics.drift": pl.DataFrame({"read_at": [1]})}
SCHEMAS = {name: rows.schema for name, rows in TABLES.items()}


def ask(query: str) -> list[tuple[object, ...]]:
    return answer_query(query, lambda name: TABLES[name].lazy(), SCHEMAS).rows()


@pytest.fixture
def secret(tmp_path) -> str:
    """A file outside the lake in every format that Polars reads, by its path without an ending."""
    rows = pl.DataFrame({"delay": [7.0]})
    rows.write_csv(tmp_path / "secret.csv")
    rows.write_parquet(tmp_path / "secret.parquet")
    rows.write_ipc(tmp_path / "secret.ipc")
    rows.write_ndjson(tmp_path / "secret.json")
    return str(tmp_path / "secret")


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT carrier, SUM(delay) AS delay FROM gold.trips GROUP BY carrier ORDER BY carrier", [("AA", 2.0), ("UA", 4.0)]),
        ('select count(*) from "gold.trips"', [(3,)]),
        ("-- how many\nWITH late AS (SELECT * FROM gold.trips WHERE delay > 1) SELECT COUNT(*) FROM late", [(2,)]),
        ("SELECT t.carrier FROM GOLD.TRIPS AS t LIMIT 1".replace("GOLD.TRIPS", "gold.trips"), [("UA",)]),
        ("SELECT read_at FROM metrics.drift", [(1,)]),
        ("SHOW TABLES", [("gold.trips",), ("metrics.drift",)]),
    ],
)
def test_a_question_is_answered(query, rows):
    assert ask(query) == rows


def test_an_answer_is_cut_where_nobody_reads_on():
    rows = pl.DataFrame({"x": range(1000)})
    assert answer_query("SELECT * FROM gold.trips", lambda name: rows.lazy(), {"gold.trips": rows.schema}).height == ANSWER_ROWS


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{secret}.csv')",
        "SELECT * FROM READ_CSV('{secret}.csv')",
        "SELECT * FROM \"read_csv\"('{secret}.csv')",
        "SELECT * FROM read_csv/* */('{secret}.csv')",
        "SELECT * FROM read_parquet('{secret}.parquet')",
        "SELECT * FROM read_ipc('{secret}.ipc')",
        "SELECT * FROM read_json('{secret}.json')",
        "SELECT * FROM read_ndjson('{secret}.json')",
        "WITH q AS (SELECT * FROM read_csv('{secret}.csv')) SELECT * FROM q",
        "WITH q AS (SELECT * FROM read_csv('{secret}.csv')) SELECT * FROM gold.trips",
        "SELECT * FROM gold.trips WHERE delay IN (SELECT delay FROM read_csv('{secret}.csv'))",
        "SELECT * FROM gold.trips UNION ALL SELECT * FROM read_csv('{secret}.csv')",
        "SELECT * FROM gold.trips JOIN read_csv('{secret}.csv') AS other ON gold.trips.delay = other.delay",
        "SELECT (SELECT MAX(delay) FROM read_csv('{secret}.csv')) FROM gold.trips",
    ],
)
def test_a_file_outside_the_lake_is_never_read(query, secret):
    with pytest.raises(AccessError, match="reads tables of the lake only"):
        ask(query.format(secret=secret))


@pytest.mark.parametrize("ending", ["csv", "parquet", "ipc", "json"])
def test_the_second_lock_holds_without_the_first(ending, secret):
    """A column that is called like the function opens the first lock."""
    schemas = {"gold.trips": pl.Schema({f"read_{ending}": pl.Float64()})}
    with pytest.raises(AccessError, match="is no table of the lake"):
        answer_query(f"SELECT * FROM read_{ending}('{secret}.{ending}')", lambda name: pl.LazyFrame(schema=schemas[name]), schemas)


@pytest.mark.parametrize("table", ["'{secret}.csv'", '"{secret}.csv"', "scan_csv('{secret}.csv')", "gold.other", "prod.gold.trips"])
def test_what_is_no_table_is_not_found(table, secret):
    with pytest.raises(LakeError, match="cannot be answered"):
        ask(f"SELECT * FROM {table.format(secret=secret)}")


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE gold.trips",
        "DELETE FROM gold.trips",
        "TRUNCATE TABLE gold.trips",
        "INSERT INTO gold.trips VALUES ('x', 1)",
        "UPDATE gold.trips SET delay = 0",
        "CREATE TABLE other AS SELECT * FROM gold.trips",
        "COPY gold.trips TO 'out.csv'",
        "EXPLAIN SELECT * FROM gold.trips",
        "",
    ],
)
def test_only_questions_are_asked(query):
    with pytest.raises(LakeError, match="begins with SELECT, WITH or SHOW TABLES"):
        ask(query)


@pytest.mark.parametrize(
    "query", ["SELECT nope FROM gold.trips", "SELECT FROM", "SELECT 1; DROP TABLE gold.trips", "WITH q AS (SELECT 1) DELETE FROM gold.trips"]
)
def test_a_mistake_is_one_sentence_with_the_next_move(query):
    with pytest.raises(LakeError, match="SHOW TABLES names the tables") as caught:
        ask(query)
    assert "\n" not in str(caught.value)
