"""Documents become rows; what the contract refuses is a row too."""

from datetime import UTC, datetime

import polars as pl

from headrace.llm.cleaning import SPLIT_SCHEMA, Cleaner, split_documents
from tests.llm.words import GERMAN, Words

NOON = datetime(2023, 1, 1, 12, tzinfo=UTC)


def mask_ada(text):
    return text.replace("Ada", "[name]"), text.count("Ada")


def documents(**contents):
    rows = [
        {
            "document_id": f"{name}.md",
            "content": content.encode() if isinstance(content, str) else content,
            "content_hash": f"hash of {name}",
            "media_type": "text/markdown",
            "known_at": NOON,
            "_ingested_at": NOON,
            "_source": "test",
            "_batch_id": "ingest/shop/documents-1/1",
        }
        for name, content in contents.items()
    ]
    instants = dict.fromkeys(("known_at", "_ingested_at"), pl.Datetime("us", "UTC"))
    return pl.DataFrame(rows, schema_overrides=instants | {"content": pl.Binary})


def clean(**contents):
    rows = Cleaner(tokenizer=Words(), mask=mask_ada).clean(split_documents(documents(**contents)))
    return {row["section_id"]: row for row in rows.iter_rows(named=True)}


def test_a_section_has_its_path_its_tokens_and_the_version_it_is_of():
    row = clean(a="# Shop\n\n## Hours\n\nNine to five.")["a.md#hours"]
    assert (row["title"], row["heading_path"], row["text"], row["position"]) == ("Hours", "Shop > Hours", "Nine to five.", 0)
    assert (row["token_count"], row["tokenizer"], row["content_hash"]) == (3, Words.version, "hash of a")
    assert (row["known_at"], row["_batch_id"]) == (NOON, "ingest/shop/documents-1/1")


def test_personal_data_is_masked_in_titles_and_texts_and_counted_once():
    (row,) = clean(a="# Ask Ada\n\nAda knows Ada.").values()
    assert (row["title"], row["heading_path"], row["text"], row["masked_count"]) == ("Ask [name]", "Ask [name]", "[name] knows [name].", 3)


def test_an_anchor_says_nothing_of_what_was_masked_in_the_headings_that_it_is_made_of():
    ids = clean(a="# Ask Ada\n\nText.\n\n## Ask Ada\n\nMore.\n\n# Hours\n\nNine.")
    assert "a.md#hours" in ids
    assert len(ids) == 3
    assert all(section_id.startswith("a.md#") and "ada" not in section_id for section_id in ids)
    assert list(clean(**{"Ada#1": ""})) == ["Ada#1.md"]


def test_a_document_without_text_is_a_row_without_text():
    rows = clean(empty="", large=None, latin=b"# Caf\xe9", sound="Text.")
    assert {name: row["text"] for name, row in rows.items()} == {
        "empty.md": None,
        "large.md": None,
        "latin.md": None,
        "sound.md#beginning": "Text.",
    }
    assert all(row["token_count"] == 0 and row["duplicate_of"] is None for row in rows.values() if row["text"] is None)


def test_a_repeated_section_names_the_one_that_is_kept():
    rows = clean(b="# Licence\n\nDo as you please.", a="# Licence\n\nDo as you please.", c="# Other\n\nDo as you please.")
    assert {name: row["duplicate_of"] for name, row in rows.items()} == {"a.md#licence": None, "b.md#licence": "a.md#licence", "c.md#other": None}


def test_a_section_too_short_to_tell_has_the_language_of_its_document():
    rows = clean(a=f"# Mühle\n\n{GERMAN}\n\n## Kurz\n\nSiehe oben.", b="# Short\n\nSee above.")
    assert {name: row["language"] for name, row in rows.items()} == {"a.md#mühle": "de", "a.md#kurz": "de", "b.md#short": None}


def test_nothing_in_gives_nothing_of_the_same_shape():
    assert split_documents(documents(a="x").clear()).schema == pl.Schema(SPLIT_SCHEMA)
    assert Cleaner(tokenizer=Words(), mask=mask_ada).clean(split_documents(documents(a="x").clear())).height == 0


def test_the_order_of_the_batch_changes_no_row():
    batch = documents(a="# X\n\nSame.", b="# X\n\nSame.", c="# Y\n\nOther.")
    cleaner = Cleaner(tokenizer=Words(), mask=mask_ada)
    assert cleaner.clean(split_documents(batch)).equals(cleaner.clean(split_documents(batch.reverse())))
