"""The story page, the summary and the monthly figures, drawn from small tables that real contracts guard."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from headrace.console import __main__ as console
from headrace.console import facts, figures, pages, story
from headrace.console.summary import summarize
from headrace.models.kinds import load_kind
from headrace.monitoring import drift
from headrace.settings import ROOT, Settings, load_settings
from headrace.words import MADE_UP_DAYS
from tests.console.year import CASE, at, write_decisions, write_measures, write_outcomes, write_runs, write_versions

FORBIDDEN = ("prefect", "great_expectations", "evidently", "mlflow", "matplotlib")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake that tells a short year. Its registry cannot be reached: a file lies where its folder should be."""
    home = tmp_path_factory.mktemp("year")
    (home / "file").write_text("", encoding="utf-8")
    settings = load_settings("dev", home=home, variables={"HEADRACE_TRACKING_URI": f"sqlite:///{home}/file/mlflow.db"})
    for write in (write_decisions, write_runs, write_measures, write_outcomes):
        write(settings)
    return settings


@pytest.fixture(scope="module")
def page(year: Settings) -> str:
    return story.render_story(year, CASE)


@pytest.fixture(scope="module")
def described(year: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same year, in which every version has its row."""
    home = tmp_path_factory.mktemp("described")
    shutil.copytree(year.home, home, dirs_exist_ok=True)
    settings = year.model_copy(update={"home": home})
    write_versions(settings, tmp_path_factory.mktemp("files"))
    return settings


BINARY = load_kind("binary")


def outcomes(*rows: tuple[object, ...]) -> pl.DataFrame:
    schema = {
        "prediction_at": pl.Datetime("us", "UTC"),
        "model_version": pl.Int64,
        "probability_fraction": pl.Float64,
        figures.LABEL: pl.Float64,
        "rule_probability_fraction": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


class TestMonthlyFigures:
    def test_every_month_has_a_line_and_the_last_is_all_of_them(self):
        rows = outcomes((at(4, 2), 1, 0.9, 1.0, 0.5), (at(4, 3), 1, 0.2, 0.0, 0.5), (at(5, 2), 2, 0.3, 0.0, 0.5), (at(5, 3), 2, 0.4, 1.0, 0.5))
        months = figures.measure_months(rows, BINARY).rows(named=True)
        assert [(month["month"], month["row_count"], month["versions"]) for month in months] == [
            ("2013-04", 2, "1"),
            ("2013-05", 2, "2"),
            ("all", 4, "1, 2"),
        ]
        assert [month["ranking"] for month in months] == [1.0, 1.0, 1.0]
        assert months[0]["rule_loss"] == pytest.approx(0.6931, abs=1e-4)
        assert months[0]["loss"] == pytest.approx(0.1643, abs=1e-4)

    def test_a_prediction_at_the_instant_of_a_promotion_counts_for_the_month_of_its_champion(self):
        months = figures.measure_months(outcomes((at(5), 1, 0.5, 1.0, 0.5), (at(5, 2), 2, 0.5, 1.0, 0.5)), BINARY)
        assert months["month"].to_list() == ["2013-04", "2013-05", "all"]

    def test_what_cannot_be_computed_is_null(self):
        month = figures.measure_months(outcomes((at(4, 2), 1, 0.9, 1.0, None)), BINARY).row(0, named=True)
        assert month["ranking"] is None
        assert month["rule_loss"] is None
        assert month["loss"] == pytest.approx(0.1054, abs=1e-4)

    def test_without_predictions_there_is_no_line(self):
        assert figures.measure_months(outcomes(), BINARY).is_empty()

    def test_predictions_whose_labels_had_no_time_to_mature_are_not_judged(self, described):
        judged = figures.read_outcomes(described, CASE, as_of=at(7)).rows
        assert judged.height == 39
        assert judged["prediction_at"].max() <= at(7) - CASE.label.matures_after

    def test_labels_that_come_later_than_promised_count_for_nobody(self, described):
        hasty = replace(CASE, label=replace(CASE.label, matures_after=timedelta(hours=5)))
        assert figures.read_outcomes(described, hasty, as_of=at(7)).rows.is_empty()

    def test_the_markdown_has_the_months_the_verdicts_and_the_command(self, described):
        text = figures.render_monthly_figures(described, CASE)
        assert "| 2013-04 | 20 | 25.0% | 1 | 1.0000 | 0.5000 |" in text
        assert "| 2013-05-01 | reject | 2 |" in text
        assert "make results USE_CASE=flight_delay ENV=dev" in text

    def test_the_same_rows_write_the_same_markdown(self, described):
        assert figures.render_monthly_figures(described, CASE) == figures.render_monthly_figures(described, CASE)


class TestFacts:
    def test_a_batch_that_was_done_again_counts_once(self, year):
        row = facts.read_facts(year, CASE).quarantine.row(0, named=True)
        assert row == {
            "table_name": "silver.flight_delay_weather",
            "batch_count": 1,
            "rows_read": 1000,
            "rows_accepted": 993,
            "rows_rejected": 7,
            "blocked_count": 0,
        }

    def test_a_stage_inside_another_is_timed_once(self, year):
        seconds = facts.read_facts(year, CASE).runs.group_by("flow").agg(pl.col("own_s").sum()).rows()
        assert dict(seconds) == {"refine": 15.0, "train": 24.0, "retrain": 6.0}

    def test_trainings_are_counted_by_what_asked_for_them(self, year):
        assert facts.read_facts(year, CASE).triggers == {"first": 1, "performance": 1, "schedule": 1}

    def test_predictions_are_watched_for_drift_under_the_name_that_the_page_knows(self):
        assert drift.PREDICTION == facts.PREDICTION_FEATURE


class TestPage:
    def test_it_tells_champion_trainings_verdicts_and_quarantine(self, page):
        words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
        for claim in (
            "Champion now v3 since 1 July 2013",
            "3 candidates were trained, 2 became champion, 1 was turned away",
            "version 2 turned away",
            "training (performance)",
            "7 × Wind below 250 km/h.",
        ):
            assert claim in words

    def test_every_plot_is_there(self, page):
        names = ("Timeline", "Gain of each challenger", "Live performance", "Drift of each feature", "Reliability", "Seconds of each stage")
        assert all(f'aria-label="{name}' in page for name in names)

    def test_it_needs_nothing_from_elsewhere_and_runs_nothing(self, page):
        assert not re.findall(r"<script|<link|<img|<iframe|\bsrc=|@import|url\(|\bon\w+=", page)
        assert set(re.findall(r'href="([^#"]+)"', page)) == {pages.quality_path(load_settings("dev", variables={}), CASE).name}

    def test_text_of_rows_is_shown_not_obeyed(self, page):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

    def test_a_version_without_a_row_is_said_and_the_rest_is_told(self, page):
        assert "The business rule cannot be shown: version 1 of flight_delay has no row in metrics.model_versions of dev" in page
        assert "The champion cannot be shown: version 3 of flight_delay has no row" in page

    def test_the_card_is_drawn_and_its_markup_is_not_obeyed(self, described):
        page = story.render_story(described, CASE)
        assert "<td>EWR</td>" in page
        assert "&lt;img src=x" in page
        assert "with 1 feature and 12 trees" in page
        assert "cannot be shown" not in page

    def test_made_up_days_are_said_before_anything_else(self, year, page):
        told = story.render_story(year, replace(CASE, has_made_up_days=True))
        assert f"<b>A rehearsal, not a history.</b> {MADE_UP_DAYS}" in told.partition("<main>")[0]
        assert MADE_UP_DAYS not in page

    def test_the_same_rows_give_the_same_page(self, year, page):
        assert story.render_story(year, CASE) == page

    def test_an_empty_environment_says_what_is_missing(self, tmp_path):
        page = story.render_story(load_settings("dev", home=tmp_path, variables={}), CASE)
        for sentence in (
            "There is no champion yet",
            "No window of 14 days has been judged yet",
            "No drift has been measured yet",
            "No batch has been judged yet",
            "No stage has run yet",
        ):
            assert sentence in page

    def test_writing_replaces_the_page_and_leaves_nothing_half(self, tmp_path):
        settings = load_settings("dev", home=tmp_path, variables={})
        first = story.write_story(settings, CASE)
        assert story.write_story(settings, CASE) == first
        assert sorted(path.name for path in settings.environment_home.iterdir()) == ["quality_flight_delay.html", "story_flight_delay.html"]
        assert first.read_text(encoding="utf-8").endswith("</html>\n")


class TestSummary:
    def test_it_fits_a_terminal_and_names_the_figures(self, described):
        lines = summarize(described, CASE).splitlines()
        assert len(lines) <= 15
        assert "  champion      version 3 since 2013-07-01, after 1 other" in lines
        assert "  turned away   1 (version 2 on 2013-05-01)" in lines
        assert "  data          1,000 rows judged, 7 in quarantine" in lines
        assert any(line.startswith("  log loss      0.2969, the business rule 0.5") for line in lines)

    def test_made_up_days_are_said_in_a_line_that_still_fits(self, described):
        lines = summarize(described, replace(CASE, has_made_up_days=True)).splitlines()
        assert len(lines) <= 15
        assert "  days          made up, the table has no time: a rehearsal, not a history" in lines

    def test_an_empty_environment_has_one_too(self, tmp_path):
        text = summarize(load_settings("dev", home=tmp_path, variables={}), CASE)
        assert "none yet: nothing has been trained" in text
        assert "there is no champion" in text
        assert "make serve" not in text

    def test_where_every_training_was_blocked_it_says_why(self, tmp_path):
        empty = facts.read_facts(load_settings("dev", home=tmp_path, variables={}), CASE)
        blocked = {"as_of": at(4, 1), "flow": "train", "status": "blocked", "reason": "split: 9 labelled rows"}
        schema = {name: empty.runs.schema[name] for name in blocked}
        told = replace(empty, runs=pl.concat([empty.runs, pl.DataFrame([blocked], schema=schema)], how="diagonal"))
        assert told.why_nobody == "each training was blocked, the newest on 2013-04-01: split: 9 labelled rows"


class TestVerbs:
    @pytest.fixture(autouse=True)
    def environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HEADRACE_ENV", "dev")
        monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))

    @pytest.mark.parametrize(("verb", "name"), [("page", "story"), ("quality", "quality"), ("runs", "runs")])
    def test_pages_are_written_and_named(self, verb, name, tmp_path, capsys):
        assert console.main([verb, "--use-case", CASE.name]) == 0
        assert capsys.readouterr().out == f"{tmp_path}/dev/{name}_flight_delay.html\n"
        assert (tmp_path / "dev" / f"{name}_flight_delay.html").is_file()

    def test_results_are_written_where_told(self, tmp_path, capsys):
        assert console.main(["results", "--use-case", CASE.name, "--write", str(tmp_path / "docs" / "results.md")]) == 0
        assert (tmp_path / "docs" / "results.md").read_text(encoding="utf-8").startswith("# Results: flight_delay\n")

    def test_tables_are_listed_with_rows_and_version(self, tmp_path, capsys):
        write_runs(load_settings("dev", home=tmp_path, variables={}))
        assert console.main(["tables", "--use-case", CASE.name]) == 0
        assert capsys.readouterr().out.splitlines()[1].split() == ["metrics", "metrics.pipeline_runs", "9", "1"]

    def test_a_mistake_ends_in_one_sentence_and_its_exit_code(self, capsys):
        assert console.main(["page", "--use-case", "nope"]) == 11
        assert capsys.readouterr().err.count("\n") == 1


def test_the_console_starts_light():
    command = (
        "import sys, headrace.console.__main__, headrace.console.story, headrace.console.summary, headrace.console.runs_page; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not set(FORBIDDEN) & set(loaded)
