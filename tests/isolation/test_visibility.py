"""Dev sees prod's runs, versions, figures and logs, with nothing of prod's but the right to read its lake."""

import re
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace.console import __main__ as console
from headrace.console import runs_page, summary
from headrace.decisions import passed
from headrace.errors import AccessError
from headrace.explore.lake import open_lake
from headrace.explore.query import answer_query
from headrace.features import refresh
from headrace.lake import ingestion, refinement, runs
from headrace.lake.catalog import look_at
from headrace.lake.runs import Step
from headrace.registry import challengers, history, scoring, version_rows
from headrace.settings import Settings, load_settings, within
from tests.console.year import write_decisions, write_versions
from tests.explore.small_lake import AIRLINES, write_airlines
from tests.small_flights import small_flights

pytestmark = pytest.mark.story

CASE = small_flights()
TRAINED_AS_OF = datetime(2013, 2, 15, tzinfo=UTC)


def fill(settings: Settings) -> None:
    """A champion trained on six weeks, and four days that it served, stage by stage as flows do it, without Prefect."""
    for as_of in (TRAINED_AS_OF, TRAINED_AS_OF + timedelta(days=4)):
        run_stage(settings, "ingest", as_of, lambda at: [ingestion.append_feed(settings, CASE, feed, as_of=at) for feed in CASE.feeds])
        run_stage(settings, "refine", as_of, lambda at: [refinement.refine_feed(settings, CASE, feed, as_of=at) for feed in CASE.feeds])
        run_stage(settings, "featurize", as_of, lambda at: [refresh.append_features(settings, CASE, as_of=at)])
        if as_of == TRAINED_AS_OF:
            train(settings)
        run_stage(settings, "score", as_of, lambda at: [scoring.append_predictions(settings, CASE, as_of=at)])


def run_stage(settings: Settings, flow: str, as_of: datetime, work: Callable[[datetime], Iterable[Step]]) -> None:
    run = runs.begin(settings, CASE.name, flow, as_of=as_of)
    steps = list(work(as_of))
    assert all(step.decision.passed for step in steps), [step.decision.reason for step in steps]
    runs.finish(settings, run, steps[0].decision, counts={"rows_read": sum(step.rows_read for step in steps)}, prefect_run_id="")


def train(settings: Settings) -> None:
    identity = challengers.identify(settings, CASE, as_of=TRAINED_AS_OF)
    run = runs.begin(settings, CASE.name, "train", as_of=TRAINED_AS_OF, slice_name=identity.model_id)
    decision = challengers.build(settings, CASE, identity)
    assert decision.passed, decision.reason
    # Registered without a row, as a run leaves it that is killed in between; and once more, as one killed right after the row.
    folder = challengers.candidate_working_folder(settings, identity)
    registered = challengers.register_folder(settings, CASE, folder, model_id=identity.model_id, tags={}, tables=identity.tables)
    assert version_rows.read_versions(settings, CASE).is_empty()
    version = challengers.register(settings, CASE, identity)
    assert version.number == registered.number
    assert challengers.register(settings, CASE, identity) == version
    assert version_rows.read_versions(settings, CASE)["model_version"].to_list() == [version.number]
    history.record_verdict(settings, CASE, version, passed("promotion", "beats the rule"), as_of=TRAINED_AS_OF, approver="automatic")
    runs.finish(settings, run, decision, counts={}, prefect_run_id="")


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Prod as a stand-in without servers; once filled, nothing but its lake is left of it, and that cannot be written."""
    stand_in = {"HEADRACE_DATABASE": "sqlite", "HEADRACE_CLOCK": "replay", "HEADRACE_APPROVAL": "automatic", "HEADRACE_THREADS": "1"}
    settings = load_settings("prod", home=tmp_path_factory.mktemp("home"), variables=stand_in)
    fill(settings)
    for folder in settings.environment_home.iterdir():
        if folder.name != "lake":
            shutil.rmtree(folder)
    for path in [settings.environment_home, *settings.environment_home.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return settings


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder, *folder.rglob("*")]}


def show(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert console.main([verb, "--use-case", CASE.name, "--of", "prod"]) == 0
    said = capsys.readouterr().out.strip()
    text = Path(said).read_text(encoding="utf-8").partition("</style>")[2] if said.endswith(".html") else said
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.mark.long
def test_dev_sees_prod_when_only_its_lake_is_left_and_changes_nothing_there(prod, monkeypatch, capsys):
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(prod.home))
    monkeypatch.setenv("HEADRACE_SUBSET", "true")
    before = snapshot(prod.environment_home)

    story = show("page", capsys)
    assert "prod, seen from dev" in story
    assert "Champion now v1 since 15 February 2013" in story
    assert "cannot be shown" not in story
    assert "Model card: flight_delay" in story
    page = show("runs", capsys)
    assert re.search(r"v1 champion as of 15 February 2013 log loss 0\.\d+ \(rule 0\.\d+\) · ROC AUC 0\.\d+", page)
    assert "INFO appended bronze.flight_delay_weather rows=" in page
    assert "INFO registered prod.flight_delay version=1" in page
    text = show("summary", capsys)
    assert "flight_delay in prod" in text
    assert re.search(r"log loss 0\.\d{4}, the business rule 0\.\d{4}", text)
    assert "metrics.model_versions 1 1" in show("tables", capsys)
    assert "batches, 0 blocked" in show("quality", capsys)

    assert snapshot(prod.environment_home) == before
    written = sorted(path.name for path in (prod.home / "dev" / "of_prod").iterdir())
    assert written == [f"{name}_flight_delay.html" for name in ("quality", "runs", "story")]


def test_dev_sees_prod_on_s3_with_a_key_that_may_only_read_it(server):
    prod, dev = server.settings("prod", "seen"), server.settings("dev", "seen")
    write_decisions(prod)
    write_versions(prod, server.home)
    seen = look_at(dev, "prod")
    assert [version["model_version"] for version in runs_page.list_versions(seen, CASE)] == [4, 3, 2, 1]
    assert "flight_delay in prod" in summary.summarize(seen, CASE)
    assert "v3" in runs_page.render_runs_page(seen, CASE)


def test_dev_explores_prod_on_s3_with_a_key_that_may_only_read_it(server):
    prod, dev = server.settings("prod", "explored"), server.settings("dev", "explored")
    write_airlines(prod)
    with within(dev):
        lake = open_lake(CASE.name, of="prod")
    newest = lake.read_versions(AIRLINES)["version"][0]
    assert [lake.read_rows(AIRLINES, version=version).row_count for version in (newest - 1, newest)] == [1, 2]
    assert answer_query(f"SELECT COUNT(*) FROM {AIRLINES}", lake.read, lake.read_schemas()).item() == 2
    with pytest.raises(AccessError, match="cannot be written by a process of dev that looks at prod"):
        write_airlines(lake.settings)
