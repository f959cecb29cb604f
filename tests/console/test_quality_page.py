import re

import polars as pl
import pytest

from headrace.console.quality_page import render_quality_page
from headrace.lake.contracts import load_contract
from headrace.lake.quality import TABLE

SCHEMA = load_contract(TABLE).schema


def row(table: str, batch: str, expectation: str, *, is_passed: bool, severity: str = "critical", reason: str = "why") -> dict[str, object]:
    level = "batch" if expectation == "batch_verdict" else "row"
    identity = {"use_case": "tiny", "table_name": table, "batch_id": batch, "contract_version": 1, "expectation": expectation, "column_name": None}
    return identity | {
        "level": level,
        "severity": severity,
        "is_passed": is_passed,
        "rows_read": 1000,
        "rows_failed": int(not is_passed),
        "reason": reason,
    }


def batch(table: str, name: str, *, is_passed: bool, promises: dict[str, bool], severity: str = "critical") -> list[dict[str, object]]:
    promised = [row(table, name, promise, is_passed=kept, severity=severity) for promise, kept in promises.items()]
    return [*promised, row(table, name, "batch_verdict", is_passed=is_passed)]


def render(*batches: list[dict[str, object]]) -> str:
    return render_quality_page(pl.DataFrame([row for rows in batches for row in rows], schema=SCHEMA))


def order(page: str, *texts: str) -> list[str]:
    return sorted(texts, key=page.index)


def test_blocked_tables_and_batches_come_first_and_open():
    page = render(
        batch("silver.a", "a/1", is_passed=True, promises={"fine": True}),
        batch("silver.b", "b/1", is_passed=True, promises={"fine": True}),
        batch("silver.b", "b/2", is_passed=False, promises={"fine": True, "wrong": False}),
        batch("silver.c", "c/1", is_passed=True, promises={"odd": False}, severity="warning"),
    )
    assert order(page, "silver.a", "silver.b", "silver.c") == ["silver.b", "silver.c", "silver.a"]
    assert order(page, ">b/1<", ">b/2<") == [">b/2<", ">b/1<"]
    assert order(page, ">fine<", ">wrong<") == [">wrong<", ">fine<"]
    assert page.count("<details open>") == 1
    assert page.count("! passed, with findings") == 1
    assert "4 batches, 1 blocked; 4,000 rows read, 1 rejected." in page


def test_a_batch_without_a_verdict_counts_as_blocked():
    page = render([row("silver.a", "a/1", "fine", is_passed=True)])
    assert "no verdict was recorded" in page
    assert "✕ blocked" in page


def test_whatever_stands_in_a_row_stays_text():
    attack = "<script>alert('1 & 2')</script>"
    page = render([row(attack, attack, attack, is_passed=False, reason=attack), row(attack, attack, "batch_verdict", is_passed=False, reason=attack)])
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;1 &amp; 2&#x27;)" in page


def test_the_page_needs_nothing_but_itself():
    page = render(batch("silver.a", "a/1", is_passed=True, promises={"fine": True}))
    assert not re.findall(r"https?:|src=|<link|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page


@pytest.mark.parametrize("tag", ["details", "table", "tbody", "tr", "td", "body", "html"])
def test_every_tag_that_is_opened_is_closed(tag):
    page = render(batch("silver.a", "a/1", is_passed=False, promises={"fine": True, "wrong": False}))
    assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>") > 0


def test_a_page_of_nothing_says_so():
    assert "No batch has been judged yet." in render_quality_page(pl.DataFrame(schema=SCHEMA))
