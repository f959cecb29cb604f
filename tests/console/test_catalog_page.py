"""The catalog page: all that is promised, what the lake holds, and of persons nothing but counts."""

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from headrace.console import __main__ as console
from headrace.console import catalog_page, pages
from headrace.console.catalog_plots import draw_sketch
from headrace.inventory.reading import Catalog, read_catalog
from headrace.inventory.sketches import build_sketch
from headrace.lake import tables
from headrace.lake.catalog import look_at
from headrace.lake.contracts import CONTRACTS, load_contract
from headrace.settings import Settings, load_settings
from headrace.words import MADE_UP_DAYS
from tests.console.year import CASE, append, at, write_measures, write_outcomes, write_runs

PERSON = "Ada Lovelace"


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A short year, with twelve promotions that one person approved and a table that nobody has promised."""
    settings = load_settings("dev", home=tmp_path_factory.mktemp("home"), variables={})
    write_outcomes(settings)
    write_measures(settings)
    write_runs(settings)
    decision = {"action": "promote", "previous_version": None, "passed": True, "approver": PERSON, "approval_reason": f"{PERSON} likes it"}
    append(settings, "metrics.promotions", [{"as_of": at(4), "sequence": number, "model_version": number} | decision for number in range(1, 13)])
    stray = pl.DataFrame({"nickname": ["<script>alert(1)</script>"] * 9})
    tables.append(settings, "silver.flight_delay_notes", stray, batch_id="test/x/<b>bold</b>/1")
    return settings


@pytest.fixture(scope="module")
def catalog(year: Settings) -> Catalog:
    return read_catalog(year, [CASE])


@pytest.fixture(scope="module")
def page(year: Settings, catalog: Catalog) -> str:
    return catalog_page.render_catalog(year, catalog)


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text.partition("</style>")[2]).split())


def entry(page: str, table: str) -> str:
    """What the page says about one table."""
    (found,) = [part for part in page.split('<details class="entry">') if f'id="{table}"' in part]
    return words(f"</style>{found.partition('</details>')[0]}")


class TestPage:
    def test_every_table_has_an_entry_with_its_meaning_and_every_column(self, page):
        for path in [path for folder in ("flight_delay", "metrics") for path in (CONTRACTS / folder).glob("*.yaml")]:
            told, contract = entry(page, path.stem), load_contract(path.stem)
            assert f"Owner {contract.owner}" in told
            assert f"version {contract.version}, data_contracts/{path.parent.name}/{path.name}" in told
            assert all(f"{name} " in told for name in contract.columns)

    def test_every_feature_has_its_view(self, page):
        told = words(page.partition('<section id="features">')[2].partition("</section>")[0].join(["</style>", ""]))
        assert all(feature in told for feature in CASE.features.names)
        assert "Looked up by origin ; reads the last 6 hours of silver.flight_delay_weather" in told
        assert "not built from an input older than 48 hours" in told

    def test_an_entry_tells_state_and_lineage(self, page):
        told = entry(page, "silver.flight_delay_flight_outcomes")
        assert "Made from bronze.flight_delay_flight_outcomes by refine" in told
        assert "a row known at 2013-06-30 06:00 UTC, 18 hours old; 24 hours are allowed" in told
        assert "by test/flight_delay/silver.flight_delay_flight_outcomes/1" in told

    def test_what_is_missing_is_said(self, page):
        assert "not written yet" in words(page)
        assert "Nobody has said what it means" in words(page)
        assert "Contract none; write data_contracts/flight_delay/silver.flight_delay_notes.yaml" in entry(page, "silver.flight_delay_notes")

    def test_no_value_of_a_person_is_shown(self, year, page):
        stored = tables.read(year, "metrics.promotions").collect()
        assert stored["approver"].to_list() == [PERSON] * 12
        assert PERSON not in page
        assert "Lovelace" not in page
        told = entry(page, "metrics.promotions")
        assert "approver personal, direct identifies a person string" in told
        assert "1 different: personal." in told

    def test_text_of_rows_is_shown_not_obeyed(self, page):
        assert "<b>bold</b>" not in page
        assert "&lt;b&gt;bold&lt;/b&gt;" in page
        assert "alert(1)" not in page

    def test_it_needs_nothing_from_elsewhere_and_runs_nothing(self, page):
        assert not re.findall(r"<script|<link|<img|<iframe|\bsrc=|@import|url\(|\bon\w+=", page)
        assert not re.findall(r'href="(?!#)', page)

    def test_every_link_leads_to_an_entry_of_the_page(self, page):
        targets = set(re.findall(r'href="#([^"]+)"', page))
        assert targets <= set(re.findall(r'id="([^"]+)"', page))
        assert "gold.flight_delay_features" in targets

    def test_the_same_rows_give_the_same_page(self, year, page):
        assert catalog_page.render_catalog(year, read_catalog(year, [CASE])) == page

    def test_an_empty_environment_has_the_page_of_the_contracts(self, settings):
        page = catalog_page.render_catalog(settings, read_catalog(settings, [CASE]))
        assert "Hour of the observation." in page
        assert "sketch" not in page.partition("</style>")[2]
        assert "24 hours are allowed" in entry(page, "silver.flight_delay_flight_outcomes")

    def test_a_stale_table_is_marked(self, settings):
        write_runs(settings)
        write_outcomes(settings)
        append(settings, "metrics.clock", [{"tick": at(8), "recorded_at": at(8)}])
        late = [{"flow": "ingest", "slice_name": "8", "as_of": at(8), "status": "passed", "rows_read": 0, "rows_written": 0, "prefect_run_id": ""}]
        times = {"started_at": at(8), "finished_at": at(8), "duration_s": 0.0, "use_case": CASE.name, "reason": "late"}
        rows = pl.DataFrame([late[0] | times], schema=load_contract("metrics.pipeline_runs").schema)
        tables.append(settings, "metrics.pipeline_runs", rows, batch_id="test/late/8/1")
        catalog = read_catalog(settings, [CASE])
        assert catalog.stale == ["silver.flight_delay_flight_outcomes"]
        told = entry(catalog_page.render_catalog(settings, catalog), "silver.flight_delay_flight_outcomes")
        assert "32 days old; 24 hours are allowed stale" in told

    def test_each_use_case_has_the_time_that_its_own_replay_has_reached(self, year, catalog):
        def write(**clocks):
            return words(catalog_page.render_catalog(year, replace(catalog, clocks=clocks))).partition("What there is")[0]

        assert write(flight_delay=at(7)).endswith("dev · as of 1 July 2013 ")
        assert write(flight_delay=at(7), other=at(9)).endswith("dev · flight_delay as of 1 July 2013 · other as of 1 September 2013 ")
        assert write(flight_delay=at(7), other=None).endswith("dev · flight_delay as of 1 July 2013 ")

    def test_made_up_days_are_said(self, year, catalog, page):
        made_up = replace(catalog, cases=(replace(CASE, has_made_up_days=True),))
        assert MADE_UP_DAYS in words(catalog_page.render_catalog(year, made_up))
        assert MADE_UP_DAYS not in words(page)


class TestVerb:
    def run(self, monkeypatch, settings: Settings, *arguments: str) -> int:
        monkeypatch.setenv("HEADRACE_ENV", settings.environment)
        monkeypatch.setenv("HEADRACE_HOME", str(settings.home))
        return console.main(["catalog", *arguments])

    def test_it_says_what_there_is_and_where_the_page_lies(self, year, monkeypatch, capsys):
        assert self.run(monkeypatch, year, "--use-case", CASE.name) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[-1] == str(pages.catalog_path(year, CASE.name))
        assert Path(said[-1]).name == "catalog_flight_delay.html"
        assert "  no contract   silver.flight_delay_notes" in said
        assert len(said) <= 8

    def test_without_a_use_case_it_covers_all_of_the_clone(self, year, monkeypatch, capsys):
        assert self.run(monkeypatch, year) == 0
        page = Path(capsys.readouterr().out.splitlines()[-1])
        assert page == year.environment_home / "catalog.html"
        assert page.read_text(encoding="utf-8").endswith("</html>\n")

    def test_an_unknown_use_case_is_said_in_one_sentence(self, year, monkeypatch, capsys):
        assert self.run(monkeypatch, year, "--use-case", "ships") == 11
        assert "use case 'ships' has no folder" in capsys.readouterr().err

    def test_another_environment_is_drawn_into_a_folder_of_its_name(self, year):
        staging = load_settings("staging", home=year.home, variables={})
        settings = look_at(load_settings("dev", home=year.home, variables={}), "prod")
        assert pages.catalog_path(settings, None) == year.environment_home / "of_prod" / "catalog.html"
        page = catalog_page.render_catalog(staging, read_catalog(staging, [CASE]))
        assert "Made from prod.bronze.flight_delay_weather by ingest" in entry(page, "bronze.flight_delay_weather")

    def test_it_links_the_pages_that_have_been_written(self, year, catalog):
        path = pages.quality_path(year, CASE)
        pages.write_page(path, "<p>there</p>")
        page = catalog_page.render_catalog(year, catalog)
        path.unlink()
        assert re.findall(r'href="([^#"]+)"', page) == ["quality_flight_delay.html"]


def test_a_histogram_is_one_path_and_says_its_ends():
    drawn = draw_sketch(build_sketch(pl.Series([1.0, 2.0, 2.0, 9.0])))
    assert drawn.count("<path") == 1
    assert 'aria-label="4 values from 1 to 9"' in drawn
    assert draw_sketch(build_sketch(pl.Series(["secret"]))) == ""
