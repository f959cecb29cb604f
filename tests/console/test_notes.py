"""The tables and texts that stand beside a run, drawn from small tables that real contracts guard."""

import base64
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import polars as pl
import pytest

from headrace.console import notes, service
from headrace.decisions import blocked, passed
from headrace.lake import tables
from headrace.lake.contracts import load_contract
from headrace.lake.runs import Step
from headrace.registry import versions
from headrace.settings import load_settings
from tests.console.year import CASE, write_champion, write_decisions, write_measures


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    settings = load_settings("dev", home=tmp_path_factory.mktemp("year"), variables={})
    write_decisions(settings)
    write_measures(settings)
    return settings


@pytest.fixture
def challenger(tmp_path):
    """A version whose files lie in a folder, as MLflow keeps them."""
    folder = tmp_path / "data" / versions.CANDIDATE_FOLDER
    folder.mkdir(parents=True)
    write_champion(folder)
    return versions.Version(name="dev.flight_delay", number=3, model_id="abc", tags={}, source=str(tmp_path))


def pictures(text):
    return [base64.b64decode(found).decode() for found in re.findall(r"!\[[^\]]+\]\(data:image/svg\+xml;base64,([^)]+)\)", text)]


def test_a_feed_that_is_blocked_says_why_and_counts_nothing_as_refused():
    good = Step(decision=passed("data_quality", "all kept"), rows_read=10, rows_written=8)
    bad = Step(decision=blocked("data_quality", "9 of 10 rows rejected"), rows_read=10, rows_written=0)
    rows = notes.build_quality({"weather": good, "planes": bad})
    assert [(row["feed"], row["verdict"], row["rows refused"]) for row in rows] == [("weather", "passed", 2), ("planes", "BLOCKED", None)]
    assert rows[1]["why"] == "9 of 10 rows rejected"


def test_of_documents_that_became_sections_nobody_says_how_many_rows_were_refused():
    split = Step(decision=passed("data_quality", "9 rows refined to 179 sections"), rows_read=9, rows_written=179)
    [row] = notes.build_quality({"documents": split}, reshaped={"documents": "sections"})
    assert (row["rows kept"], row["rows refused"]) == (179, None)


def test_drift_lists_the_newest_window_worst_first_with_a_picture_that_needs_no_page(year):
    text = notes.build_drift(year, CASE)
    values = [float(value) for value in re.findall(r"^\| \S+ \| \w+ \| ([\d.]+) \|", text, re.MULTILINE)]
    assert values == sorted(values, reverse=True)
    assert values
    (picture,) = pictures(text)
    root = ElementTree.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "--heat4" in picture
    assert "min-width" not in picture


def test_performance_lists_the_newest_window_first(year):
    days = re.findall(r"^\| (\d{4}-\d{2}-\d{2}) to", notes.build_performance(year, CASE), re.MULTILINE)
    assert days == sorted(days, reverse=True)
    assert 1 < len(days) <= 6


def test_nothing_is_shown_where_nothing_was_measured(settings):
    assert notes.build_drift(settings, CASE) == ""
    assert notes.build_performance(settings, CASE) == ""


def test_what_rows_say_is_text_in_the_page_of_a_run(settings):
    day = datetime(2026, 3, 2, tzinfo=UTC)
    alert = {"use_case": CASE.name, "alert": "service", "figure": "a/b_ms", "window_start": day, "window_end": day, "value": 2.0, "bar": 1.0}
    rows = pl.DataFrame([alert | {"reason": "<b>bold</b> | [click](http://x)"}], schema=load_contract(service.ALERTS).schema)
    tables.append(settings, service.ALERTS, rows, batch_id=f"monitor/{CASE.name}/a/1")
    assert notes.build_service(settings, CASE).endswith(r"| 2026-03-02 | a/b_ms | &lt;b>bold&lt;/b> \| \[click\](http://x) |")


def test_a_comparison_shows_verdict_figures_pictures_and_links(year, challenger):
    judged = passed("promotion", "8 checks passed; gain +0.0200, lower bound +0.0100", {"gain": 0.02, "gain_lower_bound": 0.01})
    text = notes.build_comparison(year, CASE, challenger, judged)
    assert text.startswith("# Version 3 of dev.flight_delay: passed")
    assert "| gain lower bound | 0.01 |" in text
    assert "http://127.0.0.1:5001/#/models/dev.flight_delay/versions/3" in text
    assert "against v1" in pictures(text)[0]


def test_a_version_without_a_card_is_said_to_have_none(year, challenger, tmp_path):
    assert notes.read_card(year, challenger).startswith("# ")
    (tmp_path / "data" / versions.CANDIDATE_FOLDER / "card.md").unlink()
    assert notes.read_card(year, challenger) == "Version 3 has no model card."
