"""The promise everything stands on: a batch is in its table once, whoever writes it, however often, and dies wherever."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from headrace.errors import AccessError, BatchError, LakeError, SchemaError
from headrace.lake import runs, tables
from headrace.settings import Settings, load_settings
from tests.lake.tiny_contract import TABLE as TRIPS
from tests.lake.tiny_contract import build_rows
from tests.lake.writers import FIRST, MONDAY, PRICES, SALES, prices, read_sorted, sales


def commit_count(settings: Settings, table: str) -> int:
    return tables.read_history(settings, table).height


# Once


def test_what_is_appended_is_read(settings):
    written = tables.append(settings, SALES, sales(3, 1), batch_id=FIRST)
    assert (written.table, written.rows, written.is_new) == (SALES, 2, True)
    assert written.version == tables.read_version(settings, SALES)
    assert read_sorted(settings, SALES)["amount"].to_list() == [1, 3]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda settings: tables.append(settings, SALES, sales(1, 2), batch_id=FIRST), id="append"),
        pytest.param(lambda settings: tables.merge(settings, SALES, sales(1, 2), keys=["amount"], batch_id=FIRST), id="merge"),
        pytest.param(lambda settings: tables.replace(settings, SALES, sales(1, 2), where={"amount": (1, 3)}, batch_id=FIRST), id="replace"),
        pytest.param(lambda settings: tables.append(settings, SALES, sales(), batch_id=FIRST), id="append nothing"),
        pytest.param(lambda settings: tables.merge(settings, SALES, sales(), keys=["amount"], batch_id=FIRST), id="merge nothing"),
        pytest.param(lambda settings: tables.replace(settings, SALES, sales(), where={"amount": 1}, batch_id=FIRST), id="replace by nothing"),
    ],
)
def test_a_batch_written_again_changes_nothing_and_says_so(settings, write):
    assert write(settings).is_new
    before, commits = read_sorted(settings, SALES), commit_count(settings, SALES)
    again = write(settings)
    assert not again.is_new
    assert again.version == tables.read_version(settings, SALES)
    assert_frame_equal(read_sorted(settings, SALES), before)
    assert commit_count(settings, SALES) == commits
    assert tables.is_written(settings, SALES, batch_id=FIRST)


def test_the_same_rows_in_another_order_are_the_same_batch(settings):
    tables.append(settings, PRICES, prices(tea=2.0, milk=1.0), batch_id=FIRST)
    assert not tables.append(settings, PRICES, prices(milk=1.0, tea=2.0).select("price_eur", "item"), batch_id=FIRST).is_new


def test_the_same_rows_under_another_id_are_another_batch(settings):
    tables.append(settings, SALES, sales(1), batch_id="ingest/shop/monday/1")
    tables.append(settings, SALES, sales(1), batch_id="ingest/shop/tuesday/1")
    assert read_sorted(settings, SALES)["amount"].to_list() == [1, 1]


def test_a_used_id_with_other_content_is_refused_and_writes_nothing(settings):
    tables.append(settings, SALES, sales(1), batch_id=FIRST)
    with pytest.raises(BatchError, match=f"{FIRST} was written before with other content.*higher revision than 1"):
        tables.append(settings, SALES, sales(2), batch_id=FIRST)
    assert read_sorted(settings, SALES)["amount"].to_list() == [1]


def test_documents_of_bytes_are_written_once_and_changed_bytes_are_other_content(settings):
    documents = pl.DataFrame({"path": ["a.html", "b.html"], "content": [b"\xff<p>", None]}, schema={"path": pl.String, "content": pl.Binary})
    assert tables.append(settings, "bronze.shop_documents", documents, batch_id=FIRST).is_new
    assert not tables.append(settings, "bronze.shop_documents", documents.reverse(), batch_id=FIRST).is_new
    changed = documents.with_columns(content=pl.lit(b"\xfe<p>"))
    with pytest.raises(BatchError, match="written before with other content"):
        tables.append(settings, "bronze.shop_documents", changed, batch_id=FIRST)
    tables.merge(settings, "bronze.shop_documents", changed.head(1), keys=["path"], batch_id="ingest/shop/tuesday/1")
    assert read_sorted(settings, "bronze.shop_documents").rows() == [("a.html", b"\xfe<p>"), ("b.html", None)]


def test_a_later_revision_replaces_and_an_earlier_comes_too_late(settings):
    for revision, amount in ((1, 10), (3, 30)):
        where = {"amount": (0, 100)}
        tables.replace(settings, SALES, sales(amount), where=where, batch_id=f"refine/shop/monday/{revision}")
    with pytest.raises(BatchError, match="is at revision 3; revision 2 comes too late"):
        tables.replace(settings, SALES, sales(20), where={"amount": (0, 100)}, batch_id="refine/shop/monday/2")
    assert read_sorted(settings, SALES)["amount"].to_list() == [30]


def test_an_earlier_revision_that_was_written_may_be_run_again(settings):
    for revision in (1, 2, 1):
        tables.merge(settings, PRICES, prices(tea=float(revision)), keys=["item"], batch_id=f"refine/shop/monday/{revision}")
    assert read_sorted(settings, PRICES).rows() == [("tea", 2.0)]


def test_a_slice_whose_name_ends_in_a_number_is_no_revision_of_another(settings):
    tables.append(settings, SALES, sales(1), batch_id="ingest/shop/2013/1")
    tables.append(settings, SALES, sales(2), batch_id="ingest/shop/2013/1/1")
    tables.append(settings, SALES, sales(3), batch_id="ingest/shop/2013/1/1/1")
    assert read_sorted(settings, SALES)["amount"].to_list() == [1, 2, 3]


def test_the_ledger_outlives_a_checkpoint(settings):
    tables.append(settings, SALES, sales(1), batch_id=FIRST)
    DeltaTable(str(settings.lake_root / "silver" / "shop_sales")).create_checkpoint()
    tables.append(settings, SALES, sales(2), batch_id="ingest/shop/tuesday/1")
    assert not tables.append(settings, SALES, sales(1), batch_id=FIRST).is_new


def test_a_batch_id_of_another_shape_writes_nothing(settings):
    with pytest.raises(BatchError, match="is not flow/use_case/slice/revision"):
        tables.append(settings, SALES, sales(1), batch_id="monday")
    assert tables.read_version(settings, SALES) is None


def test_volatile_columns_do_not_make_another_batch(settings, promise):
    promise(volatile=["known_at"])
    noon, later = build_rows(trip_id=["a"]), build_rows(trip_id=["a"]).with_columns(pl.col("known_at") + pl.duration(hours=1))
    assert tables.append(settings, TRIPS, noon, batch_id=FIRST).is_new
    assert not tables.append(settings, TRIPS, later, batch_id=FIRST).is_new
    assert_frame_equal(read_sorted(settings, TRIPS), noon)


# Merge


def test_a_merge_inserts_what_is_new_and_updates_what_differs(settings):
    tables.merge(settings, PRICES, prices(tea=2.0, milk=1.0), keys=["item"], batch_id="refine/shop/monday/1")
    tables.merge(settings, PRICES, prices(tea=2.5, salt=0.5), keys=["item"], batch_id="refine/shop/tuesday/1")
    assert read_sorted(settings, PRICES).rows() == [("milk", 1.0), ("salt", 0.5), ("tea", 2.5)]


def test_a_merge_that_changes_nothing_rewrites_no_file_and_leaves_its_batch_in_the_ledger(settings):
    tables.merge(settings, PRICES, prices(tea=2.0, milk=float("nan")), keys=["item"], batch_id="refine/shop/monday/1")
    files = DeltaTable(str(settings.lake_root / "silver" / "shop_prices")).file_uris()
    assert tables.merge(settings, PRICES, prices(tea=2.0, milk=float("nan")), keys=["item"], batch_id="refine/shop/tuesday/1").is_new
    assert DeltaTable(str(settings.lake_root / "silver" / "shop_prices")).file_uris() == files
    assert tables.is_written(settings, PRICES, batch_id="refine/shop/tuesday/1")
    assert not tables.merge(settings, PRICES, prices(tea=2.0, milk=float("nan")), keys=["item"], batch_id="refine/shop/tuesday/1").is_new


def test_a_merge_sees_null_as_a_value(settings):
    for day, price in (("monday", 2.0), ("tuesday", None), ("wednesday", 3.0)):
        row = pl.DataFrame({"item": ["tea"], "price_eur": [price]}, schema={"item": pl.String, "price_eur": pl.Float64})
        tables.merge(settings, PRICES, row, keys=["item"], batch_id=f"refine/shop/{day}/1")
        assert read_sorted(settings, PRICES).rows() == [("tea", price)]


def test_a_merge_of_keys_alone_inserts_what_is_new(settings):
    for day, amounts in (("monday", (1, 2)), ("tuesday", (2, 3))):
        tables.merge(settings, SALES, sales(*amounts), keys=["amount"], batch_id=f"refine/shop/{day}/1")
    assert read_sorted(settings, SALES)["amount"].to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    ("items", "says"),
    [
        pytest.param(["tea", None], "1 rows have a null key", id="null"),
        pytest.param(["tea", "tea"], "2 share one", id="repeated"),
    ],
)
def test_a_merge_refuses_keys_that_identify_no_row(settings, items, says):
    rows = pl.DataFrame({"item": items, "price_eur": [1.0, 2.0]})
    with pytest.raises(LakeError, match=says):
        tables.merge(settings, PRICES, rows, keys=["item"], batch_id=FIRST)


@pytest.mark.parametrize("keys", [[], ["name"]])
def test_a_merge_refuses_keys_that_the_frame_has_not(settings, keys):
    with pytest.raises(SchemaError, match="cannot be merged on"):
        tables.merge(settings, PRICES, prices(tea=1.0), keys=keys, batch_id=FIRST)


# Replace


def test_a_replaced_slice_leaves_the_rest_alone(settings):
    tables.append(settings, SALES, sales(1, 2, 3, 4), batch_id=FIRST)
    tables.replace(settings, SALES, sales(2, 2), where={"amount": (2, 4)}, batch_id="refine/shop/tuesday/1")
    assert read_sorted(settings, SALES)["amount"].to_list() == [1, 2, 2, 4]


def test_a_slice_replaced_by_nothing_is_emptied(settings):
    tables.append(settings, SALES, sales(1, 2), batch_id=FIRST)
    tables.replace(settings, SALES, sales(), where={"amount": 2}, batch_id="refine/shop/tuesday/1")
    assert read_sorted(settings, SALES)["amount"].to_list() == [1]


@pytest.mark.parametrize(
    ("frame", "where", "says"),
    [
        pytest.param(sales(1, 5), {"amount": (0, 5)}, "1 of 2 rows lie outside", id="the end is not in the slice"),
        pytest.param(
            pl.DataFrame({"amount": [None]}, schema={"amount": pl.Int64}), {"amount": 1}, "1 of 1 rows lie outside", id="null is in no slice"
        ),
        pytest.param(sales(1), {}, "lie outside the slice", id="no slice is not the whole table"),
    ],
)
def test_a_replacement_refuses_rows_outside_its_slice(settings, frame, where, says):
    with pytest.raises(LakeError, match=says):
        tables.replace(settings, SALES, frame, where=where, batch_id=FIRST)
    assert tables.read_version(settings, SALES) is None


def test_a_slice_of_time_is_half_open_and_in_utc(settings):
    hours = pl.DataFrame({"at": [MONDAY + timedelta(hours=hour) for hour in range(4)]}, schema={"at": pl.Datetime("us", "UTC")})
    tables.append(settings, SALES, hours, batch_id=FIRST)
    where = {"at": (MONDAY, MONDAY + timedelta(hours=3))}
    tables.replace(settings, SALES, hours.head(1), where=where, batch_id="refine/shop/tuesday/1")
    assert read_sorted(settings, SALES)["at"].to_list() == [datetime(2013, 7, 1, 0, tzinfo=UTC), datetime(2013, 7, 1, 3, tzinfo=UTC)]


@pytest.mark.parametrize(
    "value",
    ["it's", 'a "quoted" word', "x' OR '1'='1", "back\\slash", "semi;colon --", "", "naïve ☃", "null", date(2013, 3, 10), True, False, -5, 2**62],
)
def test_a_value_of_any_shape_is_a_value_and_never_sql(settings, value):
    rows = pl.DataFrame({"value": [value]})
    others = pl.DataFrame({"value": [{str: "other", bool: not value, int: 0, date: date(2000, 1, 1)}[type(value)]]})
    tables.append(settings, SALES, pl.concat([rows, others]), batch_id=FIRST)
    tables.replace(settings, SALES, rows.clear(), where={"value": value}, batch_id="refine/shop/tuesday/1")
    assert_frame_equal(read_sorted(settings, SALES), others)


# Versions, and other environments


def test_every_version_can_be_read_again(settings):
    first = tables.append(settings, SALES, sales(1), batch_id="ingest/shop/monday/1").version
    frame = tables.read(settings, SALES)
    second = tables.append(settings, SALES, sales(2), batch_id="ingest/shop/tuesday/1").version
    assert tables.read(settings, SALES, version=first).collect()["amount"].to_list() == [1]
    assert sorted(tables.read(settings, SALES, version=second).collect()["amount"]) == [1, 2]
    assert frame.collect()["amount"].to_list() == [1], "a frame stays on the version it was opened at"


@pytest.mark.parametrize("version", [-1, 99])
def test_a_version_that_does_not_exist_is_an_error_that_says_which_do(settings, version):
    tables.append(settings, SALES, sales(1), batch_id=FIRST)
    with pytest.raises(LakeError, match=f"has versions 0 to 1, not {version}"):
        tables.read(settings, SALES, version=version)


def test_the_history_names_the_batch_of_each_commit_newest_first(settings):
    tables.append(settings, SALES, sales(1), batch_id="ingest/shop/monday/1")
    tables.append(settings, SALES, sales(2), batch_id="ingest/shop/tuesday/1")
    history = tables.read_history(settings, SALES)
    assert history["version"].to_list() == [2, 1, 0]
    assert history["batch_id"].to_list() == ["ingest/shop/tuesday/1", "ingest/shop/monday/1", None]
    assert tables.read_history(settings, PRICES).is_empty()


def test_a_table_that_was_never_written_is_an_error_that_says_so(settings):
    with pytest.raises(LakeError, match=r"silver\.shop_sales does not exist in .*run the flow that writes it first"):
        tables.read(settings, SALES)
    assert not tables.is_written(settings, SALES, batch_id=FIRST)


def test_a_broken_table_is_an_error_not_an_empty_table(settings):
    tables.append(settings, SALES, sales(1), batch_id=FIRST)
    newest = max((settings.lake_root / "silver" / "shop_sales" / "_delta_log").glob("*.json"))
    newest.write_text('{"commitInfo"')
    for use in (lambda: tables.read(settings, SALES), lambda: tables.append(settings, SALES, sales(2), batch_id="ingest/shop/tuesday/1")):
        with pytest.raises(LakeError, match="cannot be opened"):
            use()


def test_another_environments_table_is_read_where_declared_and_written_never(tmp_path):
    prod, dev = load_settings("prod", home=tmp_path), load_settings("dev", home=tmp_path)
    tables.append(prod, SALES, sales(7), batch_id=FIRST)
    assert tables.read(dev, f"prod.{SALES}").collect()["amount"].to_list() == [7]
    for write in (
        lambda: tables.append(dev, f"prod.{SALES}", sales(8), batch_id="ingest/shop/tuesday/1"),
        lambda: tables.merge(dev, f"prod.{SALES}", sales(8), keys=["amount"], batch_id="ingest/shop/tuesday/1"),
        lambda: tables.replace(dev, f"prod.{SALES}", sales(7), where={"amount": 7}, batch_id="ingest/shop/tuesday/1"),
    ):
        with pytest.raises(AccessError, match="dev may not write"):
            write()
    with pytest.raises(AccessError, match="prod may not read"):
        tables.read(prod, f"dev.{SALES}")
    assert commit_count(prod, SALES) == 2


# Any history


BATCHES = [
    lambda settings: tables.append(settings, PRICES, prices(tea=1.0), batch_id="ingest/shop/a/1"),
    lambda settings: tables.append(settings, PRICES, prices(), batch_id="ingest/shop/b/1"),
    lambda settings: tables.merge(settings, PRICES, prices(milk=2.0, salt=3.0), keys=["item"], batch_id="refine/shop/a/1"),
    lambda settings: tables.replace(settings, PRICES, prices(salt=4.0), where={"item": "salt"}, batch_id="refine/shop/b/1"),
    lambda settings: tables.replace(settings, PRICES, prices(), where={"price_eur": (0, 2)}, batch_id="refine/shop/c/1"),
]


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.permutations(range(5)), replayed=st.lists(st.integers(0, 4), max_size=4))
def test_replaying_any_batches_after_any_history_leaves_the_table_as_it_was(tmp_path_factory, first: list[int], replayed: list[int]):
    settings = load_settings("dev", home=Path(tmp_path_factory.mktemp("lake")))
    for number in first:
        BATCHES[number](settings)
    before, version = read_sorted(settings, PRICES), tables.read_version(settings, PRICES)
    for number in replayed:
        assert not BATCHES[number](settings).is_new
    assert_frame_equal(read_sorted(settings, PRICES), before)
    assert tables.read_version(settings, PRICES) == version


@contextmanager
def _as_somebody_else() -> Generator[None]:
    """Root may read everything, so it becomes nobody; anybody else stays who they are."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("closed", [".", "metrics/clock", "metrics/clock/_delta_log", "metrics/clock/_delta_log/00000000000000000001.json"])
def test_a_table_that_may_not_be_read_is_not_taken_for_one_that_is_not_there(closed):
    # Not in pytest's own folder, which is closed to everybody else.
    with TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        settings = load_settings("dev", home=Path(home))
        row = runs.build_row("metrics.clock", {"use_case": "flight_delay", "tick": MONDAY, "recorded_at": MONDAY})
        tables.append(settings, "metrics.clock", row, batch_id="lifecycle/flight_delay/one/1")
        with _as_somebody_else():
            assert tables.read_version(settings, "metrics.clock") == 1
        hidden = settings.lake_root / closed
        usual = hidden.stat().st_mode
        hidden.chmod(0)
        try:
            with _as_somebody_else(), pytest.raises(AccessError, match="may not be read by this user; open its folder"):
                tables.read_version(settings, "metrics.clock")
        finally:
            hidden.chmod(usual)


def test_a_table_that_another_writer_is_making_is_not_there_yet(settings):
    (settings.lake_root / "metrics" / "clock" / "_delta_log").mkdir(parents=True)
    assert tables.read_version(settings, "metrics.clock") is None
