"""What the sections say and draw, and that nothing of a row's text is obeyed."""

import re
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from headrace.errors import LakeError
from headrace.explore import charts
from headrace.explore.labels import MISSING, measure_by_feature, measure_over_time
from headrace.explore.lake import PersonalColumn, Rows
from headrace.explore.page import render_output
from headrace.explore.profile import measure_columns
from headrace.explore.query import ANSWER_ROWS
from headrace.explore.sections import Section, build_answer, build_by_feature, build_drift, build_over_time, build_profile
from headrace.explore.windows import read_dates
from tests.lake.tiny_contract import COLUMNS, TABLE, build_contract, build_rows

MONDAY = datetime(2013, 1, 7, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"


def words(section: Section) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", section.html).split())


def labelled(labels, **columns):
    at = [MONDAY + timedelta(days=4 * number) for number in range(len(labels))]
    return pl.DataFrame({"at": pl.Series(at, dtype=pl.Datetime("us", "UTC")), "label": labels, **columns})


def over_time(labels, kind):
    return build_over_time(measure_over_time(labelled(labels), label="label", time="at", every="1w", declared=kind), label="label", every="1w")


def profile(rows: pl.DataFrame, contract, personal=()):
    return build_profile(TABLE, contract, Rows(frame=rows, row_count=rows.height, personal=personal), measure_columns(rows, contract))


def drift(*rows):
    schema = {"feature": pl.String, "value": pl.Float64, "is_drifted": pl.Boolean, "reason": pl.String}
    measured = pl.DataFrame(rows, schema=schema, orient="row")
    return build_drift(
        measured, current=read_dates(date(2013, 2, 1), date(2013, 2, 28)), reference=read_dates(date(2013, 1, 4), date(2013, 1, 31)), threshold=0.25
    )


class TestProfile:
    def test_it_shows_what_the_contract_means_and_what_is_there(self):
        said = words(profile(build_rows(delay_minutes=[1.0, None]), build_contract()))
        for claim in ("One row is one trip.", "delay_ minutes float64, minutes Delay. 1 50.0%", "2 rows."):
            assert claim in said

    def test_a_personal_column_is_counted_and_not_shown(self):
        contract = build_contract(columns=COLUMNS | {"trip_id": COLUMNS["trip_id"] | {"pii": "direct"}}, subject_key="trip_id")
        said = words(profile(build_rows().drop("trip_id"), contract, [PersonalColumn(name="trip_id", null_count=1, distinct_count=7)]))
        assert "trip_ id personal Id of the trip. 1 7 counted, not shown" in said

    def test_a_table_without_a_contract_shows_counts_only(self):
        said = words(profile(pl.DataFrame(), None, [PersonalColumn(name="anything", null_count=0, distinct_count=2)]))
        assert "No contract says what this table holds, so only counts are shown." in said

    def test_text_of_rows_is_shown_not_obeyed(self):
        html = profile(build_rows(carrier=[EVIL, EVIL]), build_contract()).html
        assert "<script" not in html
        assert "&lt;script&gt;" in html


class TestLabel:
    def test_a_binary_label_is_a_line_of_shares(self):
        section = over_time([1.0, 0.0, 1.0, 1.0], "binary")
        assert "Of all 4 labelled rows: share of ones 75.0%." in words(section)
        assert section.html.count('class="line') == 1

    def test_a_number_has_a_band_between_its_quantiles(self):
        section = over_time([1.0, 2.0, 3.0, 4.0], "regression")
        assert "10 % quantile 1.3, median 2.5, mean 2.5, 90 % quantile 3.7" in words(section)
        assert 'class="between"' in section.html

    def test_classes_have_a_line_and_a_legend_each(self):
        section = over_time(["a", "b", "a", EVIL], "multiclass")
        assert section.html.count('class="line') == section.html.count("<li>") == 3
        assert "<script" not in section.html

    @pytest.mark.parametrize(("labels", "said"), [([None, None], "No row has a known label yet."), ([1.0], "All labelled rows lie in one week")])
    def test_where_nothing_can_be_drawn_it_says_why(self, labels, said):
        assert said in words(over_time(pl.Series(labels, dtype=pl.Float64), "binary"))

    def test_against_a_feature_every_group_has_its_name_figure_and_rows(self):
        rows = labelled([1.0, 0.0, 1.0], carrier=["UA", "UA", None])
        measured = measure_by_feature(rows, label="label", feature="carrier", group_count=10)
        section = build_by_feature(measured, label="label", feature="carrier", contract=build_contract())
        assert "Who flew." in words(section)
        assert f"{MISSING}, share of ones: 100.0% of 1 row" in section.html
        assert section.html.count("<circle") == 2


class TestDrift:
    def test_what_drifted_is_marked_and_what_could_not_be_compared_is_named(self):
        unknown = ("age", None, None, "the window has 0 values, 100 are needed")
        section = drift(("distance_km", 0.9, True, None), ("carrier", 0.01, False, None), unknown)
        assert section.title == "Drift: 1 Feb 2013 to 28 Feb 2013 against 4 Jan 2013 to 31 Jan 2013"
        assert "1 of 2 features lies 0.25 nats or more apart" in words(section)
        assert "Not compared: age: the window has 0 values, 100 are needed." in words(section)
        assert section.html.count('class="drifted"') == 1

    def test_windows_without_rows_say_what_is_needed(self):
        assert "Nothing can be compared: the window has 0 values" in words(drift(("age", None, None, "the window has 0 values, 100 are needed")))


class TestAnswer:
    def test_rows_are_a_table_with_numbers_on_the_right(self):
        section = build_answer(pl.DataFrame({"carrier": [EVIL], "count": [12_345]}))
        assert '<td class="n">12,345</td>' in section.html
        assert "<script" not in section.html

    def test_a_mistake_is_a_sentence(self):
        assert "LakeError: no such table" in words(build_answer(LakeError("no such table")))


class TestPage:
    def test_what_a_cell_shows_is_in_the_page_and_what_needs_a_server_is_not(self):
        frame = pl.DataFrame({"x": range(1000)})
        assert f"Rows: {ANSWER_ROWS} of 1,000." in (render_output(frame) or "")
        assert "<td" in (render_output(frame.lazy()) or "")
        assert render_output(None) is None
        assert render_output(42) is None

    def test_a_control_of_a_notebook_is_left_out_and_its_text_is_not(self):
        import marimo

        assert render_output(marimo.ui.slider(1, 2)) is None
        assert "<h1" in (render_output(marimo.md("# A title")) or "")
        assert render_output(marimo.Html("<iframe src='https://elsewhere.example'></iframe>")) is None


class TestCharts:
    def test_equal_values_and_lonely_groups_are_drawn(self):
        lines = charts.Lines(values={"mean": [5.0]}, counts=[3], is_share=False)
        assert "<circle" in charts.draw_groups(["a"], lines, {"mean": 5.0}, label="one group")

    def test_a_gap_interrupts_the_line(self):
        instants = [MONDAY + timedelta(days=7 * week) for week in range(5)]
        lines = charts.Lines(values={"mean": [1.0, 2.0, None, 1.0, 2.0]}, counts=[1, 1, 0, 1, 1], is_share=False)
        assert re.search(r'd="M[^"]*M[^"]*" class="line c0"', charts.draw_over_time(instants, lines, label="gap"))

    def test_a_share_has_no_figure_below_zero_or_above_all(self):
        instants = [MONDAY, MONDAY + timedelta(days=7)]
        drawn = charts.draw_over_time(instants, charts.Lines(values={"share": [0.0, 1.0]}, counts=[1, 1], is_share=True), label="all")
        figures = [float(figure) for figure in re.findall(r">(-?[\d.]+)%<", drawn)]
        assert figures == [0, 20, 40, 60, 80, 100]
