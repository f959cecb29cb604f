"""What a folder delivers: every version once, every change in the manifest, whatever was killed in between."""

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from headrace.errors import SourceError
from headrace.lake import tables
from headrace.lake.ingestion import append_feed
from headrace.llm import document_files, document_folder
from headrace.llm.document_folder import DOCUMENTS, VERSIONS, DocumentFolder
from headrace.settings import load_settings

# The folder's contracts are those of this use case.
CASE = "docs_assistant"
NOON = datetime(2023, 3, 1, 12, tzinfo=UTC)


def write(folder, **contents):
    for name, content in contents.items():
        path = folder / f"{name.replace('__', '/')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def source(settings, folder, **changes):
    return DocumentFolder(use_case=CASE, origin="tiny", find_folder=lambda _: folder, licence="CC0-1.0", **changes).within(settings)


def ingest(settings, folder, at=NOON, feeds=(DOCUMENTS, VERSIONS), **changes):
    """What the flow `ingest` does with the two feeds; returns the rows that are new."""
    case: Any = SimpleNamespace(name=CASE, source=source(settings, folder, **changes), table=lambda layer, noun: f"{layer}.{CASE}_{noun}")
    return {feed: append_feed(settings, case, feed, as_of=at).rows_written for feed in feeds}


def read(settings, feed, *columns):
    return tables.read(settings, f"bronze.{CASE}_{feed}").collect().sort("known_at", "document_id").select(columns or pl.all())


def current(settings):
    """Documents that are there by the manifest, with the bytes that bronze has for them."""
    newest = read(settings, VERSIONS).unique("document_id", keep="last", maintain_order=True).filter(~pl.col("is_deleted"))
    held = read(settings, DOCUMENTS).select("document_id", "content_hash", "content")
    return dict(newest.join(held, on=["document_id", "content_hash"], how="left").select("document_id", "content").iter_rows())


def test_the_first_look_delivers_every_document_and_the_second_none(settings, tmp_path):
    write(tmp_path / "docs", guide="# A", deep__er="# B")
    assert ingest(settings, tmp_path / "docs") == {DOCUMENTS: 2, VERSIONS: 2}
    rows = read(settings, VERSIONS, "document_id", "is_deleted", "media_type", "licence", "byte_count", "known_at").rows()
    assert rows == [(name, False, "text/markdown", "CC0-1.0", 3, NOON) for name in ("deep/er.md", "guide.md")]
    assert current(settings) == {"guide.md": b"# A", "deep/er.md": b"# B"}
    assert ingest(settings, tmp_path / "docs", NOON + timedelta(hours=1)) == {DOCUMENTS: 0, VERSIONS: 0}


def test_a_change_is_a_new_version_and_a_missing_file_a_deletion(settings, tmp_path):
    folder = tmp_path / "docs"
    write(folder, same="1", changed="2", gone="3")
    ingest(settings, folder)
    write(folder, changed="22")
    (folder / "gone.md").unlink()
    later = NOON + timedelta(hours=1)
    assert ingest(settings, folder, later) == {DOCUMENTS: 1, VERSIONS: 2}
    assert current(settings) == {"same.md": b"1", "changed.md": b"22"}
    rows = read(settings, VERSIONS).filter(pl.col("known_at") == later).select("document_id", "is_deleted", "byte_count").rows()
    assert rows == [("changed.md", False, 2), ("gone.md", True, None)]


def test_a_document_that_was_deleted_comes_back_and_goes_again(settings, tmp_path):
    folder = tmp_path / "docs"
    write(folder, stays="0", guide="1")
    for hour in range(4):
        ingest(settings, folder, NOON + timedelta(hours=hour))
        (folder / "guide.md").unlink() if hour % 2 == 0 else write(folder, guide="1")
    assert read(settings, VERSIONS).filter(pl.col("document_id") == "guide.md")["is_deleted"].to_list() == [False, True, False, True]
    assert read(settings, DOCUMENTS).filter(pl.col("document_id") == "guide.md").height == 1


def test_the_manifest_names_no_version_whose_bytes_did_not_arrive(settings, tmp_path):
    folder = tmp_path / "docs"
    write(folder, a="1")
    ingest(settings, folder, feeds=(DOCUMENTS,))
    write(folder, a="2", b="3")
    assert ingest(settings, folder, feeds=(VERSIONS,)) == {VERSIONS: 0}
    ingest(settings, folder, NOON + timedelta(hours=1))
    assert current(settings) == {"a.md": b"2", "b.md": b"3"}


def test_a_published_body_of_documents_is_known_since_its_release_and_later_changes_when_they_are_found(settings, tmp_path):
    folder, release, later = tmp_path / "docs", NOON - timedelta(days=9), NOON + timedelta(hours=1)
    write(folder, a="1")
    assert ingest(settings, folder, release - timedelta(days=1), first_known_at=release) == {DOCUMENTS: 0, VERSIONS: 0}
    ingest(settings, folder, first_known_at=release)
    write(folder, a="2")
    ingest(settings, folder, later, first_known_at=release)
    for feed in (DOCUMENTS, VERSIONS):
        assert read(settings, feed, "known_at")["known_at"].to_list() == [release, later]


def test_for_an_instant_before_the_manifests_newest_nothing_is_found(settings, tmp_path):
    write(tmp_path / "docs", a="1")
    ingest(settings, tmp_path / "docs")
    write(tmp_path / "docs", a="2")
    assert ingest(settings, tmp_path / "docs", NOON - timedelta(hours=1)) == {DOCUMENTS: 0, VERSIONS: 0}


def test_a_run_that_was_killed_between_deliveries_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(document_folder, "DELIVERY_BYTES", 4)
    folder = tmp_path / "docs"
    write(folder, a="111", b="22", c="3", d="44444")
    whole, killed = (load_settings("dev", home=tmp_path / name) for name in ("whole", "killed"))
    parts = source(killed, folder).deliveries(DOCUMENTS, after=None, until=NOON)
    assert [part.read()["document_id"].to_list() for part in parts] == [["a.md"], ["b.md", "c.md"], ["d.md"]]
    ingest(whole, folder)
    appended = count()

    def die(*args, **kwargs):
        if next(appended):
            raise KeyboardInterrupt("killed")
        return tables_append(*args, **kwargs)

    tables_append = tables.append
    monkeypatch.setattr(tables, "append", die)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        ingest(killed, folder)
    monkeypatch.setattr(tables, "append", tables_append)
    assert read(killed, DOCUMENTS).height == 1
    ingest(killed, folder)
    for feed in (DOCUMENTS, VERSIONS):
        assert_frame_equal(read(killed, feed), read(whole, feed))


def test_a_folder_below_may_have_another_licence(settings, tmp_path):
    write(tmp_path / "docs", a="1", lib__b="2", lib__old__c="3", library="4")
    ingest(settings, tmp_path / "docs", licences={"lib": "MIT", "lib/old/": "Zlib"})
    assert dict(read(settings, VERSIONS, "document_id", "licence").iter_rows()) == {
        "a.md": "CC0-1.0",
        "lib/b.md": "MIT",
        "lib/old/c.md": "Zlib",
        "library.md": "CC0-1.0",
    }


def test_a_licence_that_is_declared_later_is_a_row_of_the_manifest(settings, tmp_path):
    write(tmp_path / "docs", a="1", lib__b="2")
    ingest(settings, tmp_path / "docs")
    for hour, rows in ((1, 1), (2, 0)):
        assert ingest(settings, tmp_path / "docs", NOON + timedelta(hours=hour), licences={"lib": "MIT"}) == {DOCUMENTS: 0, VERSIONS: rows}
    assert read(settings, VERSIONS, "document_id", "licence").rows() == [("a.md", "CC0-1.0"), ("lib/b.md", "CC0-1.0"), ("lib/b.md", "MIT")]
    assert current(settings) == {"a.md": b"1", "lib/b.md": b"2"}


def test_the_environments_own_folder_takes_the_place_of_the_use_cases(settings, tmp_path):
    write(tmp_path / "own", mine="1")
    own = settings.model_copy(update={"documents_root": tmp_path / "own", "documents_licence": "MIT"})
    ingest(own, tmp_path / "reference", first_known_at=NOON - timedelta(days=9), licences={"": "CC0-1.0"})
    assert read(own, VERSIONS, "document_id", "licence", "known_at").rows() == [("mine.md", "MIT", NOON)]


def test_a_document_that_is_too_large_is_delivered_without_its_bytes(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(document_files, "LARGEST_BYTES", 3)
    write(tmp_path / "docs", small="123", large="1234")
    ingest(settings, tmp_path / "docs")
    assert dict(read(settings, DOCUMENTS, "document_id", "content").iter_rows()) == {"small.md": b"123", "large.md": None}
    assert dict(read(settings, VERSIONS, "document_id", "byte_count").iter_rows()) == {"small.md": 3, "large.md": 4}


def test_hidden_files_other_kinds_and_what_sphinx_writes_beside_are_left_out(settings, tmp_path, caplog):
    folder = tmp_path / "docs"
    write(folder, guide="1", _sources__guide="1", **{".hidden": "1", ".git__notes": "1"})
    (folder / "logo.png").write_bytes(b"\x89PNG")
    with caplog.at_level("INFO"):
        found = document_files.list_documents(folder, excluded=document_folder.SPHINX_EXTRAS)
    assert [document.document_id for document in found] == ["guide.md"]
    assert ".png files=1, excluded files=1" in caplog.text


def test_a_name_of_any_bytes_is_a_document(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9 1.md")).write_text("1")
    assert [document.document_id for document in document_files.list_documents(tmp_path)] == ["caf\\xe9 1.md"]


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_the_file_that_it_leads_to(tmp_path):
    write(tmp_path / "docs", a="1")
    (tmp_path / "docs" / "again.md").symlink_to("a.md")
    (tmp_path / "docs" / "round.md").symlink_to("round.md")
    os.mkfifo(tmp_path / "docs" / "pipe.md")
    assert [document.document_id for document in document_files.list_documents(tmp_path / "docs")] == ["a.md"]
    write(tmp_path / "secret", b="2")
    for name in ("more", "_static", "script.js"):
        (tmp_path / "docs" / name).symlink_to(tmp_path / "secret" / ("b.md" if name == "script.js" else ""))
    with pytest.raises(SourceError, match=r"more is a link that leads out of .*docs; put the document itself there"):
        document_files.list_documents(tmp_path / "docs", excluded=["_static/*"])
    (tmp_path / "docs" / "more").unlink()
    assert [document.document_id for document in document_files.list_documents(tmp_path / "docs", excluded=["_static/*"])] == ["a.md"]
    (tmp_path / "docs" / "b.md").symlink_to(tmp_path / "secret" / "b.md")
    with pytest.raises(SourceError, match=r"b\.md is a link that leads out of"):
        document_files.list_documents(tmp_path / "docs", excluded=["_static/*"])


@pytest.mark.parametrize(
    ("make", "message"), [(False, "does not exist; give DOCS="), (True, "holds no document, expected at least one file ending in")]
)
def test_a_folder_without_documents_is_an_error_in_a_sentence(settings, tmp_path, make, message):
    if make:
        (tmp_path / "docs").mkdir()
    with pytest.raises(SourceError, match=message):
        ingest(settings, tmp_path / "docs")


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_another(settings, tmp_path):
    write(tmp_path / "docs", a="1")
    delivery = source(settings, tmp_path / "docs").deliveries(DOCUMENTS, after=None, until=NOON)[0]
    write(tmp_path / "docs", a="2")
    with pytest.raises(SourceError, match=r"a\.md was changed while it was read"):
        delivery.read()


def test_without_an_environment_or_under_another_name_nothing_is_delivered(settings, tmp_path):
    bare = DocumentFolder(use_case=CASE, origin="tiny", find_folder=lambda _: tmp_path, licence=None)
    with pytest.raises(SourceError, match="load the use case with load_in"):
        bare.deliveries(DOCUMENTS, after=None, until=NOON)
    with pytest.raises(SourceError, match="no feed 'pages'; feeds: documents, document_versions"):
        bare.deliveries("pages", after=None, until=NOON)


FOLDERS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), min_size=1)


@pytest.mark.long
@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(FOLDERS, min_size=1, max_size=3))
def test_after_any_history_the_manifest_is_the_folder(tmp_path_factory, history):
    root = tmp_path_factory.mktemp("history")
    settings = load_settings("dev", home=root / "home")
    for hour, contents in enumerate(history):
        for path in (root / "docs").glob("*"):
            path.unlink()
        write(root / "docs", **contents)
        for _ in range(2):
            ingest(settings, root / "docs", NOON + timedelta(hours=hour))
        assert current(settings) == {f"{name}.md": content.encode() for name, content in contents.items()}
    assert read(settings, DOCUMENTS).select("document_id", "content_hash").is_unique().all()


def test_two_bodies_of_documents_are_not_mixed(settings, tmp_path):
    write(tmp_path / "docs", guide="# A")
    ingest(settings, tmp_path / "docs")
    own = settings.model_copy(update={"documents_root": tmp_path / "docs"})
    message = r"dev holds the documents tiny of docs_assistant, and these are own; give DOCS= as before, start over with make reset ENV=dev, or set"
    # A tick of a replay lies before all that a folder of one's own holds.
    for hours in (1, -9_000):
        with pytest.raises(SourceError, match=message):
            ingest(own, tmp_path / "docs", NOON + timedelta(hours=hours))
    assert read(settings, DOCUMENTS, "origin").rows() == [("tiny",)]
