"""A person's file becomes typed columns, or a sentence."""

from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest

from headrace.errors import SourceError
from headrace.scaffold.reading import read_table
from tests.scaffold.tables import customers, write_csv

INSTANT = pl.Datetime("us", "UTC")


def read_text(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path)


def read_column(tmp_path, *values):
    return read_text(tmp_path, "\n".join(["x,other", *(f"{value},1" for value in values)]) + "\n")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", ""], pl.Int64()),
        (["1.5", "2", "NA"], pl.Float64()),
        (["yes", "No", "null"], pl.Boolean()),
        (["T", "F"], pl.Boolean()),
        (["007", "123"], pl.String()),
        (["18446744073709551615", "1"], pl.String()),
        (["31.05.24", "01.06.24"], pl.String()),
        (["inf", "1.5"], pl.Float64()),
        (["a", "b"], pl.String()),
        (["2024-05-31", "2024-06-01"], pl.Date()),
        (["31.05.2024", "01.06.2024"], pl.Date()),
        (["05/31/2024", "06/01/2024"], pl.Date()),
        (["31 May 2024", "01 Jun 2024"], pl.Date()),
        (["2024-05-31T10:00:00Z", "2024-05-31T10:00:00+02:00"], INSTANT),
        (["2024-05-31 10:00:00", "2024-05-31 23:59:59"], INSTANT),
        (["31.05.2024 10:00", "01.06.2024 11:30"], INSTANT),
    ],
)
def test_text_is_what_every_value_is(tmp_path, values, kind):
    assert read_column(tmp_path, *values).rows.schema["x"] == kind


def test_dates_are_the_same_days_in_every_format(tmp_path):
    for text in ("2024-05-31", "31.05.2024", "31/05/2024", "05/31/2024", "2024/05/31", "31 May 2024"):
        assert read_column(tmp_path, text).rows["x"].to_list() == [date(2024, 5, 31)], text
    assert read_column(tmp_path, "2024-05-31T10:00:00+02:00").rows["x"].to_list() == [datetime(2024, 5, 31, 8, tzinfo=UTC)]


def test_a_date_that_reads_two_ways_is_said(tmp_path):
    table = read_column(tmp_path, "05/06/2024", "07/08/2024")
    assert table.rows["x"].to_list() == [date(2024, 6, 5), date(2024, 8, 7)]
    (note,) = table.notes
    assert note.startswith("`x` was read day first, so 04/05/2026 is 4 May: every value can be read day first and month first.")
    assert note.endswith("If that is wrong, write dates as 2026-05-04.")
    assert not read_column(tmp_path, "31/05/2024", "07/08/2024").notes


@pytest.mark.parametrize(
    ("values", "read", "why"),
    [
        (("05/31/2024", "07/08/2024"), "month first, so 05/04/2026 is 4 May", "some values can be read so only"),
        (("05-31-2024 10:00", "07-08-2024 11:00"), "month first, so 05-04-2026 is 4 May", "some values can be read so only"),
        (("05.06.2024", "07.08.2024"), "day first, so 04.05.2026 is 4 May", "every value can be read day first and month first"),
        (("05-06-2024 10:00", "07-08-2024 11:00"), "day first, so 04-05-2026 is 4 May", "every value can be read day first and month first"),
    ],
)
def test_the_order_of_day_and_month_that_was_taken_is_said(tmp_path, values, read, why):
    table = read_column(tmp_path, *values)
    assert table.rows["x"].dt.month().to_list() == ([5, 7] if read.startswith("month") else [6, 8])
    assert f"`x` was read {read}: {why}" in table.notes[0]


def test_nearly_all_numbers_stay_text_and_the_odd_row_is_named(tmp_path):
    table = read_column(tmp_path, *range(50), "unknown")
    assert table.rows.schema["x"] == pl.String
    assert "1 of 51 values cannot be read as a number (the first in row 51)" in " ".join(table.notes)
    assert "unknown" not in " ".join(table.notes)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator):
    table = read_text(tmp_path, f"a{separator}b\n1{separator}x\n")
    assert table.rows.row(0) == (1, "x")


def test_names_become_plain_and_stay_apart(tmp_path):
    table = read_text(tmp_path, "A b,a_b,class,2nd,customerId,known_at,Größe\n1,2,3,4,5,6,7\n")
    assert table.rows.columns == ["a_b", "a_b_2", "class", "column_2nd", "customer_id", "known_at_given", "gr_e"]
    assert table.find("A b") == "a_b"
    assert table.find("customer_id") == "customer_id"
    assert table.find("nothing") is None


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "a.csv", "is empty"),
        (b"a,b\n", "a.csv", "0 rows and 2 columns"),
        (b"a,b\n1\n", "a.csv", "1 of 2 fields in data row 1"),
        (b'a,b\n"1,2\n', "a.csv", "a quote is not closed"),
        ("a\nGröße\n".encode("latin-1"), "a.csv", "not UTF-8 text .byte 4.*iconv"),
        (b"a,a\n1,2\n", "a.csv", "column a more than once"),
        (b"PAR1", "a.parquet", "no complete parquet file"),
        (b"{", "a.jsonl", "no complete jsonl file"),
        ("a\n1\n".encode("utf-16"), "a.csv", "iconv -f utf-16"),
        (b"a,,\n1,2,3\n", "a.csv", "column without a name more than once"),
        (b"x", "a.xlsx", "expected .csv, .parquet, .jsonl or a Delta table"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path, content, name, says):
    with pytest.raises(SourceError, match=says):
        read_text(tmp_path, content, name)


def test_a_decimal_comma_is_read_where_it_can_be_no_thousand(tmp_path):
    table = read_text(tmp_path, "a;b;c\n1,5;1,500;007,5\n-2;2,000;1,5\n")
    assert table.rows["a"].to_list() == [1.5, -2.0]
    assert table.rows["b"].dtype == pl.String
    assert "`a` is read with a decimal comma" in " ".join(table.notes)


def test_infinite_is_missing_and_said(tmp_path):
    table = read_column(tmp_path, "inf", "1.5", "-inf")
    assert table.rows["x"].to_list() == [None, 1.5, None]
    assert "infinite in 2 rows" in " ".join(table.notes)


def test_numbers_that_int64_cannot_hold_stay_what_they_are(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"x": pl.Series([2**64 - 1, 1], dtype=pl.UInt64)}).write_parquet(path)
    assert read_table(path).rows["x"].to_list() == ["18446744073709551615", "1"]


@pytest.mark.parametrize(
    ("value", "says"), [(timedelta(hours=1), "Duration.*of minutes"), (time(10), "since midnight"), (b"x", "Binary.*leave it out")]
)
def test_a_column_of_another_kind_is_a_sentence(tmp_path, value, says):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"x": [value]}).write_parquet(path)
    with pytest.raises(SourceError, match=says):
        read_table(path)


@pytest.mark.parametrize("kind", [pl.Datetime("ms"), pl.Datetime("ms", "Europe/Berlin"), pl.Date()])
def test_a_date_beyond_all_years_is_missing_and_said(tmp_path, kind):
    far = pl.Series([2**31 - 1 if kind == pl.Date else 2**60, 0]).cast(pl.Int32 if kind == pl.Date else pl.Int64).cast(kind)
    pl.DataFrame({"x": far}).write_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert table.rows["x"].is_null().to_list() == [True, False]
    assert "no year from 1 to 9999 in 1 row;" in " ".join(table.notes)


def test_lines_and_names_are_read_as_they_were_meant(tmp_path):
    assert read_text(tmp_path, "a,b\r1,2\r").rows.row(0) == (1, 2)
    assert read_text(tmp_path, "a,b\n1,2\n\n\n").rows.height == 1
    table = read_text(tmp_path, 'A b,a_b,"q""d"\n1,2,3\n')
    assert table.find('q"d') == "q_d"
    assert table.find("a_b") == "a_b_2", "the name in the file counts first"


def test_a_suffix_may_be_upper_case_and_a_broken_delta_table_is_a_sentence(tmp_path):
    assert read_text(tmp_path, "a\n1\n", "A.CSV").rows.height == 1
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    with pytest.raises(SourceError, match="no Delta table that can be read"):
        read_table(tmp_path / "delta")


def test_a_path_that_no_file_can_have_is_a_sentence(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_table(tmp_path / f"{'a' * 300}.csv")


def test_a_path_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(SourceError, match="neither a file nor a Delta table"):
        read_table(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("orders.csv,customers.csv", "names 2 files"),
        ("orders.csv customers.parquet", "names 2 files"),
        ("*.csv", "names several files"),
        ("", "is a folder of 2 files"),
    ],
)
def test_several_files_are_a_sentence_that_says_what_to_do(tmp_path, name, says):
    for stem in ("orders", "customers"):
        write_csv(tmp_path, customers(9)).rename(tmp_path / f"{stem}.csv")
    way_out = "put them into one file, or type the command once per file.*join the others in time by hand, see docs/add-a-use-case.md, A second table"
    with pytest.raises(SourceError, match=f"{says}, and a use case is made from one table.*{way_out}"):
        read_table(tmp_path / name)


def test_a_column_of_lists_is_a_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"x": [[1, 2]]}).write_parquet(path)
    with pytest.raises(SourceError, match="column x is List.*flatten it"):
        read_table(path)


def test_every_kind_of_file_holds_the_same_table(tmp_path):
    rows = customers(50)
    expected = read_table(write_csv(tmp_path, rows)).rows
    rows.write_parquet(tmp_path / "a.parquet")
    rows.with_columns(pl.col("signed_up_at").dt.to_string("iso:strict"), pl.col("born_on", "left_on").cast(pl.String)).write_ndjson(
        tmp_path / "a.jsonl"
    )
    rows.write_delta(str(tmp_path / "delta"))
    for path in ("a.parquet", "a.jsonl", "delta"):
        found = read_table(tmp_path / path).rows
        assert found.columns == expected.columns
        assert found.drop("churned").equals(expected.drop("churned")), path
