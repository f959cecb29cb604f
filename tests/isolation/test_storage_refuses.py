"""The storage itself refuses, whatever our own code would allow: every table here is written past it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from headrace.errors import AccessError, LakeError, StorageError
from headrace.lake import catalog, storage, tables
from headrace.settings import load_settings

pytestmark = pytest.mark.story

TABLE = "silver.shop_sales"
READS = {"dev": ("staging", "prod"), "staging": ("prod",), "prod": ()}
DENIED = "lacked the necessary privileges|AccessDenied"
PAIRS = [(reader, owner) for reader in READS for owner in READS if reader != owner]


def sales(*amounts):
    return pl.DataFrame({"amount": list(amounts)}, schema={"amount": pl.Int64})


def count(settings, table=TABLE):
    return tables.read(settings, table).collect().height


@pytest.fixture(scope="module")
def environments(server):
    """Each environment has one batch of three rows in its own lake."""
    found = {name: server.settings(name, "refused") for name in READS}
    for settings in found.values():
        assert tables.append(settings, TABLE, sales(1, 2, 3), batch_id="ingest/shop/monday/1").is_new
    return found


@pytest.mark.parametrize(("reader", "owner"), PAIRS)
def test_an_environment_reads_those_that_its_settings_list_and_no_other(environments, reader, owner):
    settings = environments[reader]
    if owner in READS[reader]:
        assert count(settings, f"{owner}.{TABLE}") == 3
        assert tables.read_history(settings, f"{owner}.{TABLE}")["batch_id"][0] == "ingest/shop/monday/1"
        return
    with pytest.raises(AccessError, match=f"{reader} may not read the tables of {owner}"):
        tables.read(settings, f"{owner}.{TABLE}")
    with pytest.raises(OSError, match=DENIED):
        DeltaTable(catalog.writable_uri(environments[owner], TABLE), storage_options=storage.build_options(settings, "s3://"))


@pytest.mark.parametrize(("writer", "owner"), PAIRS)
def test_the_storage_refuses_a_write_to_another_environment_and_takes_the_owners(environments, writer, owner):
    uri, before = catalog.writable_uri(environments[owner], TABLE), tables.read_version(environments[owner], TABLE)
    own, foreign = (storage.build_options(environments[name], uri) for name in (owner, writer))
    for write in (
        lambda: write_deltalake(uri, sales(4), mode="append", storage_options=foreign),
        lambda: DeltaTable.create(f"{uri}_of_{writer}", DeltaTable(uri, storage_options=own).schema(), storage_options=foreign),
        lambda: DeltaTable(uri, storage_options=foreign).delete(),
    ):
        with pytest.raises((DeltaError, OSError), match=DENIED):
            write()
    assert tables.read_version(environments[owner], TABLE) == before

    write_deltalake(f"{uri}_of_owner", sales(4), mode="append", storage_options=own)
    assert count(environments[owner], f"{TABLE}_of_owner") >= 1


def test_an_environment_that_calls_anothers_lake_its_own_is_refused_before_anything_is_written(server, environments):
    posing = server.settings("dev", "refused", lake_uri="s3://headrace-prod/lake/refused", readable={})
    with pytest.raises(AccessError, match=r"the storage refused dev at s3://headrace-prod/lake/refused.* \(AccessDenied\)") as refused:
        tables.append(posing, TABLE, sales(9), batch_id="ingest/shop/tuesday/1")
    assert_says_no_secret(posing, refused.value)
    assert count(environments["prod"]) == 3


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"aws_access_key_id": "AKIAUNKNOWNKEY"}, AccessError, "InvalidAccessKeyId"),
        ({"aws_secret_access_key": "not-the-secret-of-this-key"}, AccessError, "SignatureDoesNotMatch"),
        ({"aws_endpoint_url": "http://127.0.0.1:1"}, StorageError, "did not do what was asked at .*see that it is up"),
        ({"aws_allow_http": False}, StorageError, "`aws_allow_http`"),
    ],
)
def test_what_the_storage_says_becomes_one_sentence_without_a_secret(server, environments, changes, error, says):
    plain = {name: storage.resolve_secret(value) for name, value in environments["dev"].storage.items()}
    settings = server.settings("dev", "refused", storage=plain | changes)
    with pytest.raises(error, match=says) as refused:
        tables.read(settings, TABLE)
    assert_says_no_secret(settings, refused.value)


def test_a_bucket_that_does_not_exist_is_named(server):
    settings = server.settings("prod", "refused", lake_uri="s3://headrace-nobody/lake")
    for attempt in (lambda: tables.list_tables(settings), lambda: tables.append(settings, TABLE, sales(1), batch_id="ingest/shop/monday/1")):
        with pytest.raises(LakeError, match="s3://headrace-nobody/lake"):
            attempt()


def assert_says_no_secret(settings, error):
    said = f"{error!r} {settings!r}"
    assert "\n" not in str(error)
    assert error.__cause__ is None
    for name in ("aws_secret_access_key", "aws_access_key_id"):
        assert storage.resolve_secret(settings.storage[name]) not in said


class Forgetful(BaseHTTPRequestHandler):
    """A storage that takes every put, whatever its header says, as two of the servers that were tried do."""

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        """Say nothing."""


def test_a_storage_that_lets_two_writers_put_one_key_is_not_written_to(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as forgetful:
        threading.Thread(target=forgetful.serve_forever, daemon=True).start()
        key = {"aws_endpoint_url": f"http://127.0.0.1:{forgetful.server_port}", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        variables = {"HEADRACE_LAKE_URI": "s3://forgetful/lake", "HEADRACE_STORAGE": json.dumps(key | {"aws_allow_http": True})}
        settings = load_settings("dev", home=tmp_path, variables=variables)
        with pytest.raises(StorageError, match="accepted a second put .* it would lose one"):
            tables.append(settings, TABLE, sales(1), batch_id="ingest/shop/monday/1")
        forgetful.shutdown()
