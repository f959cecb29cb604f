"""The page about runs and versions, and what `OF=` changes: whose tables are read, where the page lies, and that nothing is written."""

import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.console import __main__ as console
from headrace.console import runs_page
from headrace.decisions import blocked, passed
from headrace.errors import AccessError, SettingsError
from headrace.lake import run_logs, runs, tables
from headrace.lake.catalog import look_at
from headrace.registry import approvals, versions
from headrace.settings import Settings, load_settings
from tests.console.year import CASE, at, write_decisions, write_versions

library = logging.getLogger("headrace.lake.tables")


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Prod with four versions, a run that passed and one that was blocked."""
    settings = load_settings("prod", home=tmp_path_factory.mktemp("home"), variables={})
    write_decisions(settings)
    write_versions(settings, tmp_path_factory.mktemp("files"))
    for flow, verdict in (("ingest", passed("schema", "3 rows arrived")), ("refine", blocked("data_quality", "no <b>wind</b>"))):
        run = runs.begin(settings, CASE.name, flow, as_of=at(7))
        library.info("read bronze.%s rows=3", flow)
        runs.finish(settings, run, verdict, counts={"rows_read": 3}, prefect_run_id="")
    return settings


@pytest.fixture
def dev(prod: Settings) -> Settings:
    """Dev, looking at prod."""
    return look_at(load_settings("dev", home=prod.home, variables={}), "prod")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]).split())


class TestPage:
    def test_every_version_has_its_state_figures_and_card(self, prod):
        states = {version["model_version"]: version["state"] for version in runs_page.list_versions(prod, CASE)}
        assert states == {4: "waits", 3: "champion", 2: "archived", 1: "previous"}
        page = runs_page.render_runs_page(prod, CASE)
        assert "v4 waits as of 1 March 2013 log loss 0.5000 (rule 0.5500) · ROC AUC 0.700 (rule 0.600)" in words(page)
        assert page.count("<td>EWR</td>") == 4
        assert "&lt;img src=x" in page

    def test_what_waits_says_who_is_asked_and_how_to_answer(self, tmp_path):
        settings = load_settings("prod", home=tmp_path, variables={})
        write_decisions(settings)
        write_versions(settings, tmp_path)
        assert "version 4, built as of 1 March 2013, is to be judged by the next promote" in words(runs_page.render_runs_page(settings, CASE))

        version = versions.Version(name="prod.flight_delay", number=4, model_id="model4", tags={}, source="")
        asked = approvals.record_request(
            settings, CASE, version=version, judged=passed("promotion", "gain +0.02"), as_of=at(7), requested_at=at(7), run_id=""
        )
        page = words(runs_page.render_runs_page(settings, CASE))
        assert "waits for a person since 2013-07-01 00:00 UTC. The gates found: gain +0.02" in page
        assert f"make approve USE_CASE=flight_delay ENV=prod VERSION=4 EVIDENCE={asked.evidence_hash[:16]} BY=you" in page

    def test_runs_stand_with_what_they_logged_the_newest_first_and_blocked_ones_open(self, prod):
        listed = runs_page.list_runs(prod, CASE)
        assert [(run["flow"], run["status"]) for run in listed] == [("refine", "blocked"), ("ingest", "passed")]
        assert [line["message"] for line in listed[1]["lines"]] == ["read bronze.ingest rows=3"]
        page = runs_page.render_runs_page(prod, CASE)
        assert "INFO read bronze.refine rows=3" in page
        assert re.search(r'<details class="entry" open>\s*<summary><span class="flow">refine', page)
        assert "no &lt;b&gt;wind&lt;/b&gt;" in page

    def test_it_needs_nothing_from_elsewhere_and_runs_nothing(self, prod):
        page = runs_page.render_runs_page(prod, CASE)
        assert not re.findall(r"<script|<link|<img|<iframe|\bsrc=\"|@import|url\(|\bon\w+=\"", page)

    def test_an_empty_environment_says_what_is_missing(self, tmp_path):
        page = runs_page.render_runs_page(load_settings("dev", home=tmp_path, variables={}), CASE)
        assert "No version has been registered yet" in page
        assert "No stage has run yet" in page


class TestLookingAtAnother:
    def test_its_tables_are_read_and_the_page_lies_in_ones_own_home(self, prod, dev, monkeypatch, capsys):
        monkeypatch.setenv("HEADRACE_ENV", "dev")
        monkeypatch.setenv("HEADRACE_HOME", str(prod.home))
        for verb, says in (("runs", "Runs and versions of prod"), ("page", "seen from dev"), ("quality", "No batch has been judged yet")):
            assert console.main([verb, "--use-case", CASE.name, "--of", "prod"]) == 0
            path = capsys.readouterr().out.strip()
            assert path.startswith(f"{prod.home}/dev/of_prod/")
            assert says in Path(path).read_text(encoding="utf-8")
        assert console.main(["tables", "--use-case", CASE.name, "--of", "prod"]) == 0
        assert "metrics.model_versions" in capsys.readouterr().out
        assert console.main(["summary", "--use-case", CASE.name, "--of", "prod"]) == 0
        assert "flight_delay in prod" in capsys.readouterr().out

    def test_nothing_can_be_written_neither_there_nor_at_home(self, dev):
        rows = tables.read(dev, runs.TABLE).collect()
        for table in (runs.TABLE, f"dev.{runs.TABLE}", f"prod.{runs.TABLE}"):
            with pytest.raises(AccessError, match="looks at prod"):
                tables.append(dev, table, rows, batch_id="test/flight_delay/logs/1")

    def test_an_environment_that_is_not_declared_is_refused(self, prod, monkeypatch, capsys):
        with pytest.raises(AccessError, match="prod may not read the tables of dev"):
            look_at(prod, "dev")
        monkeypatch.setenv("HEADRACE_ENV", "prod")
        monkeypatch.setenv("HEADRACE_HOME", str(prod.home))
        assert console.main(["page", "--use-case", CASE.name, "--of", "staging"]) == AccessError.exit_code
        assert "prod may not read the tables of staging" in capsys.readouterr().err

    def test_no_setting_makes_a_process_look_elsewhere(self, prod):
        with pytest.raises(SettingsError, match="HEADRACE_LOOKS_AT names no setting"):
            load_settings("dev", home=prod.home, variables={"HEADRACE_LOOKS_AT": "prod"})


class TestLines:
    def test_only_those_of_the_run_are_kept_and_no_more_than_the_last(self):
        run_logs.start_keeping(load_settings("dev", variables={}))
        library.info("before")
        since = datetime.now(UTC)
        for number in range(3):
            library.warning("line %d", number)
        lines = run_logs.list_lines(since)
        assert [(line["level"], line["message"]) for line in lines] == [("WARNING", f"line {number}") for number in range(3)]
        assert len(json.loads(run_logs.format_lines(lines * run_logs.MAX_LINES))) == run_logs.MAX_LINES
