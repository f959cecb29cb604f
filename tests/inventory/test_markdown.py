"""The catalog as Markdown: whole, about no lake, and safe from what texts hold."""

import pytest

from headrace import use_case as use_cases
from headrace.inventory.markdown import describe_allowed, escape, render_features, render_table, render_tables
from headrace.lake.contracts import Column

CASE = use_cases.load("flight_delay")


def column(**changes: object) -> Column:
    return Column.model_validate({"type": "float64", "description": "Delay.", "nullable": True} | changes)


def test_a_table_has_its_facts_and_every_column():
    text = render_tables([CASE])
    part = text.partition("#### silver.flight_delay_weather\n")[2].partition("####")[0]
    assert "Key `origin`, `observed_at` (reject on repeat)" in part
    assert "[version 1](../../data_contracts/flight_delay/silver.flight_delay_weather.yaml); stale after 48 hours" in part
    assert "made from `bronze.flight_delay_weather`" in part
    assert "| `wind_speed_kmh` | Wind speed. The feed holds 1687 km/h once, at EWR. | float64 | km/h | yes | 0 to 250 |" in part
    assert "Personal: direct." in text.partition("#### metrics.promotions\n")[2].partition("####")[0]


def test_a_feature_has_its_view_and_what_it_is_made_from():
    text = render_features([CASE])
    assert "| `plane_age_years` | Age of the aircraft. | float64 | years | `plane`, last 36,500 days | `silver.flight_delay_planes` |" in text
    assert "| `weather`, last 6 hours | `silver.flight_delay_weather`, at most 48 hours old |" in text
    assert "views are refreshed every 30 minutes" in text
    assert "| `distance_km` | Distance of the route. | float64 | km | on demand | the row's own request |" in text


def test_a_clone_without_a_use_case_still_has_the_shared_tables():
    assert "No use case" in render_features([])
    assert "#### metrics.promotions\n" in render_tables([])


def test_text_neither_ends_its_cell_nor_becomes_markup():
    assert escape("a | b\nc <img src=x> [d](e) *f*") == r"a \| b c &lt;img src=x> \[d\](e) \*f\*"
    assert render_table(("A", "B"), [("1", "2")]) == "| A | B |\n|---|---|\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"range": [0, 250]}, "0 to 250"),
        ({"range": [None, 1.5]}, "at most 1.5"),
        ({"range": [0, None]}, "at least 0"),
        ({"type": "string", "allowed": ["EWR", "JFK"]}, "EWR, JFK"),
        ({"type": "string", "allowed": [str(number) for number in range(9)]}, "9 listed values"),
        ({"type": "string", "allowed": ["ada", "bob"], "pii": "direct"}, "2 listed values"),
        ({}, ""),
    ],
)
def test_what_a_column_may_hold_is_said_in_short(changes, told):
    assert describe_allowed(column(**changes)) == told
