"""Figures of what was served, in words: a bar of nothing is nobody's worry, and one that cannot be told is."""

from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.console import service
from headrace.lake.contracts import load_contract

END = datetime(2026, 3, 2, tzinfo=UTC)
ROW = {
    "use_case": "docs_assistant", "window_start": END - timedelta(days=1), "window_end": END, "figure": "answers/blocked_fraction",
    "slice_column": "all", "slice_value": "all", "value": 0.25, "lower_bound": 0.1, "upper_bound": 0.5, "row_count": 40, "least": None, "most": 0.1,
    "is_kept": False, "reason": None,
}  # fmt: skip


def describe(*rows: dict[str, object]) -> dict[str, list[dict[str, str]]]:
    return service.list_figures(pl.DataFrame([ROW | row for row in rows], schema=load_contract(service.LIVE).schema))


def test_a_share_is_in_per_cent_beside_its_interval_and_its_bar():
    (row,) = describe({})["rows"]
    assert (row["value"], row["interval"], row["bar"], row["verdict"]) == ("25.0%", "10.0% to 50.0%", "at most 10.0%", service.BROKEN)


def test_a_bar_that_cannot_be_held_cannot_be_told_and_one_of_nothing_says_nothing():
    unknown, nothing = describe({"figure": "a/x_usd", "value": None, "is_kept": None}, {"figure": "b/x_usd", "value": None, "row_count": 0})["rows"]
    assert (unknown["value"], unknown["verdict"], nothing["verdict"]) == ("–", service.UNKNOWN, "")


def test_only_the_newest_window_is_shown_and_its_parts_apart():
    older = {"window_start": END - timedelta(days=2), "window_end": END - timedelta(days=1)}
    found = describe(older, {}, {"slice_column": "guardrail", "slice_value": "question/personal_data", "most": None, "is_kept": None})
    assert len(found["rows"]) == 1
    assert [part["name"] for part in found["parts"]] == ["answers/blocked_fraction, guardrail question/personal_data"]
    assert service.list_figures(pl.DataFrame(schema=load_contract(service.LIVE).schema))["rows"] == []


def test_alerts_stand_newest_first():
    schema = load_contract(service.ALERTS).schema
    alert = {"use_case": "x", "alert": "service", "figure": "a", "window_start": END, "value": 1.0, "bar": 0.0, "reason": "why"}
    rows = [alert | {"window_end": END}, alert | {"window_end": END + timedelta(days=1), "alert": "unmeasured"}]
    assert [row["kind"] for row in service.list_alerts(pl.DataFrame(rows, schema=schema))] == ["unmeasured", "service"]
    many = pl.DataFrame([alert | {"window_end": END + timedelta(days=day)} for day in range(100)], schema=schema)
    assert [row["at"] for row in service.list_alerts(many)] == [END + timedelta(days=99 - day) for day in range(service.SHOWN_ALERTS)]
