import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from headrace.errors import SourceError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.lake.ingestion import append_feed, list_open_deliveries
from headrace.lake.landing import LandingFolder, read_file
from headrace.settings import load_settings
from tests.small_flights import small_flights

ARRIVED = datetime(2013, 6, 1, 12, 0, 0, 250, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
COLUMNS = {"sku": pl.String(), "stock": pl.Int64(), "price_eur": pl.Float64(), "is_new": pl.Boolean(), "from_date": pl.Date(), "counted_at": INSTANT}
HEADER = "sku,stock,price_eur,is_new,from_date,counted_at"
GOOD = "a,8,9.5,true,2013-05-01,2013-06-01T10:00:00+02:00"


def write(path, content, *, at=ARRIVED):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    nanoseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    os.utime(path, ns=(nanoseconds, nanoseconds))
    return path


def read(path, columns=COLUMNS, **options):
    return read_file(path, columns=columns, arrived_at=ARRIVED, **options)


def names(folder, *, after=None, until=ARRIVED):
    source = LandingFolder(folder=folder, use_case="flight_delay")
    return [delivery.slice_name for delivery in source.deliveries("airlines", after=after, until=until)]


def test_a_csv_is_read_as_the_contract_promises_it(tmp_path):
    rows = read(write(tmp_path / "stock.csv", f"{HEADER}\n{GOOD}\n,,,,,\n"))
    assert rows.schema == pl.Schema(COLUMNS)
    assert rows.row(0) == ("a", 8, 9.5, True, date(2013, 5, 1), datetime(2013, 6, 1, 8, tzinfo=UTC))
    assert rows.row(1) == (None,) * 6


def test_columns_may_come_in_another_order_with_a_byte_order_mark(tmp_path):
    columns = {"sku": pl.String(), "stock": pl.Int64()}
    rows = read(write(tmp_path / "stock.csv", b"\xef\xbb\xbfstock,sku\r\n8,a\r\n"), columns)
    assert rows.to_dicts() == [{"sku": "a", "stock": 8}]


def test_a_parquet_file_equals_what_was_written(tmp_path):
    frame = read(write(tmp_path / "stock.csv", f"{HEADER}\n{GOOD}\n"))
    frame.write_parquet(tmp_path / "stock.parquet")
    assert read(tmp_path / "stock.parquet").equals(frame)


def test_a_narrower_parquet_type_is_widened_and_a_column_of_nothing_is_null(tmp_path):
    columns = {"sku": pl.String(), "stock": pl.Int64(), "counted_at": INSTANT}
    narrow = pl.DataFrame({"sku": [None], "stock": [8], "counted_at": [ARRIVED]}, schema={"sku": pl.Null, "stock": pl.Int32, "counted_at": INSTANT})
    narrow.with_columns(pl.col("counted_at").dt.cast_time_unit("ms")).write_parquet(tmp_path / "stock.parquet")
    assert read(tmp_path / "stock.parquet", columns).schema == pl.Schema(columns)


def test_rows_without_a_known_time_are_known_when_their_file_arrived(tmp_path):
    columns = {"sku": pl.String(), "known_at": INSTANT}
    undated, dated = write(tmp_path / "a.csv", "sku\na\n"), write(tmp_path / "b.csv", "sku,known_at\na,2013-01-01T00:00:00Z\n")
    assert read(undated, columns)["known_at"].to_list() == [ARRIVED]
    assert read(dated, columns)["known_at"].to_list() == [datetime(2013, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("stock", "8.5", "int64"),
        ("stock", "9223372036854775808", "int64"),
        ("price_eur", "9,5", "float64"),
        ("price_eur", "inf", "float64"),
        ("is_new", "maybe", "bool"),
        ("from_date", "01.05.2013", "dates"),
        ("counted_at", "2013-07-08T09:10:11", "timestamps with their offset"),
    ],
)
def test_a_csv_value_of_another_type_is_refused_without_being_shown(tmp_path, field, value, expected):
    fields = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {field: f'"{value}"'}
    path = write(tmp_path / "stock.csv", f"{HEADER}\n{GOOD}\n{','.join(fields.values())}\n")
    with pytest.raises(SourceError, match=rf"stock\.csv column {field}: 1 of 2 values are not {expected}.*data row 2") as caught:
        read(path)
    assert value not in str(caught.value)


def test_bytes_come_in_parquet_and_are_no_text_of_a_csv(tmp_path):
    photos = pl.DataFrame({"photo": [b"\x89PNG", None]}, schema={"photo": pl.Binary})
    photos.write_parquet(tmp_path / "photos.parquet")
    assert read(tmp_path / "photos.parquet", dict(photos.schema)).equals(photos)
    with pytest.raises(SourceError, match=r"column photo: 1 of 1 values are not bytes, which no CSV holds"):
        read(write(tmp_path / "photos.csv", "photo\n89504e47\n"), dict(photos.schema))


def test_vectors_come_in_parquet_and_are_no_text_of_a_csv(tmp_path):
    vectors = pl.DataFrame({"embedding": [[0.5, 1.0], None]}, schema={"embedding": pl.List(pl.Float32)})
    vectors.write_parquet(tmp_path / "vectors.parquet")
    assert read(tmp_path / "vectors.parquet", dict(vectors.schema)).equals(vectors)
    with pytest.raises(SourceError, match=r"column embedding: 1 of 1 values are not vectors, which no CSV holds"):
        read(write(tmp_path / "vectors.csv", "embedding\n0.5 1.0\n"), dict(vectors.schema))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("stock.csv", b"", r"is empty \(0 bytes\); expected sku, stock"),
        ("stock.parquet", b"", r"is empty \(0 bytes\)"),
        ("stock.csv", b"sku\na\n", r"stock is missing; expected sku, stock"),
        ("stock.csv", b"sku,stock,colour\na,8,red\n", r"1 column not promised: colour"),
        ("stock.csv", b"sku,stock,stock\na,8,8\n", r"not promised: stock_duplicated_0"),
        ("stock.csv", b"sku,stock\n\xe9,8\n", r"is not UTF-8 text \(byte 10\)"),
        ("stock.csv", "sku,stock\na,8\n".encode("utf-16"), r"is not UTF-8 text"),
        ("stock.csv", b"sku,stock\na,8\nb", r"has 1 of 2 fields in data row 2"),
        ("stock.csv", b"sku,stock\na,8,9\n", r"has 3 of 2 fields in data row 1"),
        ("stock.csv", b'sku,stock\na,"8', r"is not a CSV of comma-separated, quoted fields"),
        ("stock.parquet", b"PAR1 and then the disk was full", r"is no complete Parquet file"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path, name, content, message):
    with pytest.raises(SourceError, match=message):
        read(write(tmp_path / name, content), {"sku": pl.String(), "stock": pl.Int64()})


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_half_written_parquet_file_is_refused(tmp_path, share):
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"sku": ["a"] * 1_000, "stock": range(1_000)}).write_parquet(whole)
    content = whole.read_bytes()
    half = write(tmp_path / "half.parquet", content[: int(len(content) * share)])
    with pytest.raises(SourceError, match=r"half\.parquet is no complete Parquet file"):
        read(half, {"sku": pl.String(), "stock": pl.Int64()})


def test_a_parquet_column_of_another_type_is_refused(tmp_path):
    pl.DataFrame({"sku": ["a"], "stock": [8.5]}).write_parquet(tmp_path / "stock.parquet")
    with pytest.raises(SourceError, match=r"column stock is Float64, expected Int64"):
        read(tmp_path / "stock.parquet", {"sku": pl.String(), "stock": pl.Int64()})


def test_a_file_that_is_gone_is_an_error_of_the_source(tmp_path):
    with pytest.raises(SourceError, match=r"cannot be read: No such file"):
        read(tmp_path / "stock.csv")


def test_files_are_delivered_in_the_order_they_arrived(tmp_path):
    for minute, name in enumerate(("c.csv", "a.parquet", "b.csv")):
        write(tmp_path / "airlines" / name, "x", at=ARRIVED + timedelta(minutes=minute))
    later = ARRIVED + timedelta(minutes=1)
    assert [name.split("@")[0] for name in names(tmp_path)] == ["c.csv"]
    assert [name.split("@")[0] for name in names(tmp_path, until=later + timedelta(hours=1))] == ["c.csv", "a.parquet", "b.csv"]


def test_a_file_that_was_copied_with_an_old_date_is_not_lost(tmp_path):
    write(tmp_path / "airlines" / "old.csv", "x", at=ARRIVED)
    assert len(names(tmp_path, after=ARRIVED + timedelta(days=1), until=ARRIVED + timedelta(days=2))) == 1


def test_a_file_that_changed_under_its_name_is_a_new_delivery(tmp_path):
    write(tmp_path / "airlines" / "a.csv", "x", at=ARRIVED)
    first = names(tmp_path)
    write(tmp_path / "airlines" / "a.csv", "xyz", at=ARRIVED)
    assert names(tmp_path) != first


@pytest.mark.parametrize("name", [".a.csv", "_a.csv", "a.csv.tmp", "a.csv.part"])
def test_a_file_that_is_being_written_is_left_alone(tmp_path, name):
    write(tmp_path / "airlines" / name, "x")
    assert names(tmp_path) == []


def test_a_feed_without_a_folder_has_nothing_to_deliver(tmp_path):
    assert names(tmp_path) == []


def test_a_file_of_another_kind_is_not_passed_over_in_silence(tmp_path):
    write(tmp_path / "airlines" / "a.xlsx", "x")
    with pytest.raises(SourceError, match=r"a\.xlsx is a \.xlsx; expected \.csv or \.parquet"):
        names(tmp_path)


def test_a_missing_landing_folder_says_what_to_create(tmp_path):
    with pytest.raises(SourceError, match=r"does not exist; create it with one folder per feed, for example airlines/"):
        names(tmp_path / "nowhere")


def test_any_file_name_makes_a_batch_id_and_no_two_names_make_the_same(tmp_path):
    for name in ("a b.csv", "a-b.csv", "a\nb.csv", "ä%20.csv"):
        write(tmp_path / "airlines" / name, "x")
    slices = names(tmp_path)
    assert len({build_batch_id("ingest", "flight_delay", slice_name) for slice_name in slices}) == 4


def test_a_delivery_reads_rows_of_the_bronze_contract(tmp_path):
    write(tmp_path / "airlines" / "2013.csv", "carrier,name\nUA,United Air Lines Inc.\n")
    (delivery,) = LandingFolder(folder=tmp_path, use_case="flight_delay").deliveries("airlines", after=None, until=ARRIVED)
    promised = {name: dtype for name, dtype in load_contract("bronze.flight_delay_airlines").schema.items() if name not in SYSTEM_COLUMNS}
    assert (delivery.arrived_at, delivery.origin) == (ARRIVED, "airlines/2013.csv")
    assert delivery.read().schema == pl.Schema(promised)
    assert delivery.read().row(0) == ("UA", "United Air Lines Inc.", ARRIVED)


class TestHistory:
    """A file that is read as history: its rows arrive when they say they became known."""

    @pytest.fixture
    def source(self, tmp_path):
        lines = ["carrier,name,known_at", *(f"A{day},Airline,2013-01-0{day}T00:00:00Z" for day in range(1, 7))]
        write(tmp_path / "airlines" / "all.csv", "\n".join(lines) + "\n")
        return LandingFolder(folder=tmp_path, use_case="flight_delay", is_history=True)

    def read(self, source, *, after=None, until):
        found = [delivery.read() for delivery in source.deliveries("airlines", after=after, until=until)]
        return [name for rows in found for name in rows["carrier"]]

    def test_a_replay_goes_through_it_once_and_in_order(self, source):
        days = [datetime(2013, 1, day, 12, tzinfo=UTC) for day in (2, 4, 5)]
        taken = [self.read(source, after=after, until=until) for after, until in zip([None, *days], days, strict=False)]
        assert taken == [["A1", "A2"], ["A3", "A4"], ["A5"]]
        assert self.read(source, after=days[-1], until=days[-1]) == []

    def test_each_part_has_a_name_of_its_own(self, source):
        names = [
            delivery.slice_name
            for day in (2, 4)
            for delivery in source.deliveries("airlines", after=datetime(2013, 1, day - 1, tzinfo=UTC), until=datetime(2013, 1, day, tzinfo=UTC))
        ]
        assert len(set(names)) == 2
        assert all(name.startswith("all.csv@2013-06-01T12:00:00Z-") and "@until-2013-01-0" in name for name in names)

    def test_once_the_file_is_there_it_is_delivered_whole(self, source):
        assert self.read(source, until=ARRIVED) == ["A1", "A2", "A3", "A4", "A5", "A6"]

    def test_what_a_replay_has_taken_does_not_come_again_with_the_whole_file(self, tmp_path, source):
        settings, case = load_settings("dev", home=tmp_path / "home", variables={}), replace(small_flights(), source=source)
        for until in (datetime(2013, 1, 2, tzinfo=UTC), datetime(2013, 1, 4, 12, tzinfo=UTC), ARRIVED, ARRIVED + timedelta(days=1)):
            append_feed(settings, case, "airlines", as_of=until)
        taken = tables.read(settings, "bronze.flight_delay_airlines").sort("carrier").collect()
        assert taken["carrier"].to_list() == ["A1", "A2", "A3", "A4", "A5", "A6"]
        assert taken["_ingested_at"].n_unique() == 3

    def test_a_file_that_a_replay_has_gone_through_whole_leaves_nothing_and_is_done(self, tmp_path, source):
        settings, case = load_settings("dev", home=tmp_path / "home", variables={}), replace(small_flights(), source=source)
        for until in (datetime(2013, 1, 7, tzinfo=UTC), ARRIVED):
            append_feed(settings, case, "airlines", as_of=until)
        assert tables.read(settings, "bronze.flight_delay_airlines").collect().height == 6
        assert list(list_open_deliveries(settings, case, "airlines", until=ARRIVED)) == []

    def test_a_file_that_was_written_anew_is_another_one_and_comes_whole(self, tmp_path, source):
        settings, case = load_settings("dev", home=tmp_path / "home", variables={}), replace(small_flights(), source=source)
        append_feed(settings, case, "airlines", as_of=datetime(2013, 1, 2, tzinfo=UTC))
        write(tmp_path / "airlines" / "all.csv", "carrier,name,known_at\nB1,Corrected,2013-01-01T00:00:00Z\n")
        append_feed(settings, case, "airlines", as_of=ARRIVED)
        assert tables.read(settings, "bronze.flight_delay_airlines").sort("carrier").collect()["carrier"].to_list() == ["A1", "A2", "B1"]

    def test_without_saying_so_a_file_delivers_nothing_before_it_is_there(self, tmp_path, source):
        plain = LandingFolder(folder=tmp_path, use_case="flight_delay")
        assert self.read(plain, until=datetime(2013, 1, 5, tzinfo=UTC)) == []
