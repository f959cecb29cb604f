"""Dev cannot write staging or prod by any public function: what names a place is refused, or cannot name one outside."""

import ast
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace import process, verification
from headrace import use_case as use_cases
from headrace.console import pages
from headrace.decisions import passed
from headrace.errors import AccessError, HeadraceError, UseCaseError
from headrace.lake import catalog, ingestion, refinement, runs, tables
from headrace.lake.contracts import load_contract
from headrace.lake.quality import QualityReport
from headrace.llm import hub, model_calls
from headrace.registry import challengers, version_rows, versions
from headrace.registry.challengers import Identity
from headrace.serving.inference_log import log_folder
from headrace.settings import ROOT, Settings, load_settings
from tests.console.year import CASE, write_champion, write_decisions
from tests.isolation.writers_of_the_library import list_writers
from tests.llm.test_model_calls import CALL

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)
OTHERS = ("staging", "prod")

# Ways to name something of another environment.
ESCAPES = [
    way.format(other=other)
    for other in OTHERS
    for way in (
        "{other}.metrics.clock",
        "../{other}",
        "../../{other}/lake/metrics/clock",
        "{other}/../../{other}/lake/metrics/clock",
        "dev.{other}.metrics.clock",
        "metrics.clock/../../../../{other}/lake/metrics/clock",
        "s3://headrace-{other}/lake/metrics/clock",
        "{other}\x00",
    )
]


def clock_rows() -> pl.DataFrame:
    return runs.build_row("metrics.clock", {"use_case": CASE.name, "tick": NOON, "recorded_at": NOON})


def report() -> QualityReport:
    broken = pl.Series("broken", [], dtype=pl.String)
    return QualityReport(table="silver.flight_delay_weather", contract_version=1, findings=(), broken=broken, decision=passed("data_quality", "fine"))


def record_version(settings: Settings, text: str) -> None:
    folder = settings.find_folder("run", "files")
    folder.mkdir(parents=True, exist_ok=True)
    version_rows.record_version(settings, CASE, write_champion(folder), number=1, model_id=text, commit=text, read_from={text: 1})


def build_candidate(settings: Settings, text: str) -> None:
    identity = Identity(model_id=text, as_of=NOON, tables={}, commit="", code_hash="", seed=0)
    challengers.build(settings, CASE, identity)


def open_scratch(settings: Settings, text: str) -> None:
    with verification.scratch(settings, text, verified_at=NOON):
        pass


# Function -> how it is asked to write elsewhere. Every public writer with a parameter that could name a place stands here or below.
ATTEMPTS: dict[str, Callable[[Settings, str], object]] = {
    "lake.tables.append": lambda settings, text: tables.append(settings, text, clock_rows(), batch_id="test/x/y/1"),
    "lake.tables.merge": lambda settings, text: tables.merge(settings, text, clock_rows(), keys=["use_case", "tick"], batch_id="test/x/y/1"),
    "lake.tables.replace": lambda settings, text: tables.replace(settings, text, clock_rows(), where={"tick": NOON}, batch_id="test/x/y/1"),
    "lake.ingestion.append_feed": lambda settings, text: ingestion.append_feed(settings, CASE, text, as_of=NOON),
    "lake.refinement.refine_feed": lambda settings, text: refinement.refine_feed(settings, CASE, text, as_of=NOON),
    "lake.refinement.withdraw_batch": lambda settings, text: refinement.withdraw_batch(settings, CASE, bronze_batch=text, by="eve", reason="why"),
    "lake.refinement.record_report": lambda settings, text: refinement.record_report(settings, CASE, report(), batch_id=text),
    "llm.hub.fetch": lambda settings, text: hub.fetch(settings, text),
    "llm.model_calls.append_calls": lambda settings, text: model_calls.append_calls(settings, [CALL], batch_id=text),
    "llm.model_calls.append_failed_calls": lambda settings, text: model_calls.append_failed_calls(settings, [CALL], flow=text, use_case=text),
    "verification.scratch": open_scratch,
}

# These may take the text: as part of an id inside a table of their own, or as a name inside their own home.
AT_HOME: dict[str, Callable[[Settings, str], object]] = {
    "lake.runs.record_tick": lambda settings, text: runs.record_tick(settings, text, NOON),
    "process.start_logging": lambda settings, text: process.start_logging(settings, name=text),
    "registry.challengers.build": build_candidate,
    "registry.version_rows.record_version": record_version,
}

# These are handed a folder; who hands it, and that it lies at home, is what the laws below are about.
HANDED_A_FOLDER = {
    "console.figures.write_figures": "a person names the file, on the command line",
    "console.pages.write_page": "story_path, quality_path, runs_path, catalog_path",
    "features.online.publish": "refresh.publish_online, from online_root",
    "console.evaluation.write_evaluation": "a person names the file, on the command line",
    "llm.chain_training.build_chain": "challengers.candidate_working_folder",
    "llm.evaluation_records.append_evaluation": "append_retrieval_evaluation, with the name of a UseCase; its tables are its own",
    "llm.local_server.serve": "endpoints, which find the log in the environment's own folder",
    "llm.prompts.register_prompt": "chain_training, with the name of a UseCase; it locks a file at home and writes to the registry of these settings",
    "llm.wording_records.append_wordings": "tasks.llm_evaluate; it names a prompt of the use case's folder, and its table is its own",
    "llm.reviews.record_review": "a person names a row of its own tables, on the command line",
    "llm.vector_index.publish": "index_versions.index_folder",
    "locking.hold": "registries, indexes, hub and logs, each with a file beside what it locks",
    "registry.client.open_client": "registry_uri of these settings",
    "models.candidate.write_candidate": "training.build_candidate",
    "models.candidate.write_json": "training.build_candidate",
    "models.training.build_candidate": "challengers.candidate_working_folder",
    "scaffold.writing.hold": "scaffold.__main__, from the root of the clone",
    "scaffold.writing.land": "scaffold.__main__, from the root of the clone: landed rows are nobody's lake",
    "scaffold.writing.write_files": "scaffold.__main__, from the root of the clone",
    "registry.versions.ensure_experiment": "model_name of these settings",
    "registry.versions.register": "it reads the folder, and writes to the registry of these settings",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Dev, beside a staging and a prod that hold a table and a file in every folder of theirs."""
    for other in OTHERS:
        owner = load_settings(other, home=tmp_path, variables={})
        write_decisions(owner)
        tables.append(owner, "metrics.clock", clock_rows(), batch_id="lifecycle/flight_delay/x/1")
        for folder in ("log", "online", "registry", "run", "secrets", "serving"):
            owner.find_folder(folder).mkdir(parents=True)
            (owner.find_folder(folder) / "kept").write_text("as it was", encoding="utf-8")
    return load_settings("dev", home=tmp_path, variables={})


@pytest.fixture
def library_logger() -> Iterator[None]:
    """The library's logger, put back as it was."""
    library = logging.getLogger("headrace")
    before = library.handlers[:], library.level, library.propagate
    yield
    library.handlers[:], library.level, library.propagate = before


def snapshot(settings: Settings) -> dict[str, bytes | None]:
    """Everything of the others, and what lies beside all environments."""
    found = {str(path): path.read_bytes() if path.is_file() else None for other in OTHERS for path in (settings.home / other).rglob("*")}
    return found | {str(path): None for path in settings.home.iterdir() if path.name != "dev"}


def test_every_public_writer_that_could_be_told_a_place_is_tried():
    told = {name for name, writer in list_writers().items() if writer.places}
    assert told <= {*ATTEMPTS, *AT_HOME, *HANDED_A_FOLDER}
    assert {*ATTEMPTS, *AT_HOME, *HANDED_A_FOLDER} <= set(list_writers())


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_place_of_another_environment_is_refused(settings, name):
    before = snapshot(settings)
    for text in ESCAPES:
        with pytest.raises(HeadraceError, match="."):
            ATTEMPTS[name](settings, text)
    assert snapshot(settings) == before


@pytest.mark.parametrize("name", AT_HOME)
def test_what_may_be_called_anything_is_written_at_home(settings, library_logger, name):
    before = snapshot(settings)
    for text in ESCAPES:
        with contextlib.suppress(HeadraceError):
            AT_HOME[name](settings, text)
    assert snapshot(settings) == before


@pytest.mark.parametrize("other", OTHERS)
def test_the_name_of_anothers_table_is_refused_with_the_way_that_is_right(settings, other):
    with pytest.raises(AccessError, match=f"dev may not write {other}.metrics.clock.*run this with ENV={other}"):
        tables.append(settings, f"{other}.metrics.clock", clock_rows(), batch_id="test/x/y/1")


def test_settings_cannot_be_turned_to_another_environment_by_what_holds_them(settings):
    for field, value in (("environment", "prod"), ("home", "/"), ("lake_uri", "s3://headrace-prod/lake")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(settings, field, value)


@pytest.mark.parametrize(
    "readable", [{"prod": None}, {"prod": "{home}/prod/../dev/lake"}, {"prod": "{home}/dev"}, {"prod": "{home}/dev/lake/silver"}]
)
def test_a_lake_that_is_read_only_is_never_ones_own(tmp_path, readable):
    located = {name: root and root.format(home=tmp_path) for name, root in readable.items()}
    if located["prod"] is None:
        assert load_settings("dev", home=tmp_path, variables={}).find_lake("prod") == str(tmp_path / "prod" / "lake")
        return
    with pytest.raises(HeadraceError, match="lie in one place"):
        load_settings("dev", home=tmp_path, variables={"HEADRACE_READABLE": str(located)})


HOME = Path("/nowhere/home")
DEV = load_settings("dev", home=HOME, variables={})
anything = st.one_of(st.text(max_size=40), st.sampled_from(ESCAPES), st.from_regex(r"(\.\./|/|[a-z_]|\.){1,20}", fullmatch=True))


@hypothesis_settings(deadline=None)
@given(anything)
def test_whatever_a_table_is_called_it_is_refused_or_lies_in_ones_own_lake(text):
    try:
        uri = catalog.writable_uri(DEV, text)
    except HeadraceError:
        return
    assert Path(uri).relative_to(DEV.lake).parts == tuple(text.split(".")[-2:])
    assert ".." not in Path(uri).parts


@hypothesis_settings(deadline=None)
@given(anything)
def test_whatever_a_folder_is_called_it_is_refused_or_lies_in_ones_own_home(text):
    for find in (
        lambda: DEV.find_folder(text),
        lambda: log_folder(DEV, text),
        lambda: challengers.candidate_working_folder(DEV, Identity(model_id=text, as_of=NOON, tables={}, commit="", code_hash="", seed=0)),
    ):
        with contextlib.suppress(AccessError):
            folder = find()
            assert folder.is_relative_to(DEV.environment_home)
            assert ".." not in folder.parts


@hypothesis_settings(deadline=None)
@given(anything)
def test_whatever_a_use_case_is_called_it_is_refused_or_writes_at_home(text):
    try:
        case = replace(CASE, name=text)
    except UseCaseError:
        return
    home = DEV.environment_home
    for path in (pages.story_path(DEV, case), pages.quality_path(DEV, case), pages.runs_path(DEV, case), pages.catalog_path(DEV, case.name)):
        assert path.parent == home
    assert (DEV.online_root / case.name).parent == home / "online"
    assert versions.model_name(DEV, case) == f"dev.{text}"
    assert catalog.writable_uri(DEV, case.table("gold", "features")) == f"{DEV.lake}/gold/{text}_features"


def test_tables_are_written_in_one_module_only():
    importers = {}
    for path in (ROOT / "headrace").rglob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom | ast.Import)]
        names = {alias.name for node in nodes if "deltalake" in (getattr(node, "module", "") or "") for alias in node.names}
        names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names if alias.name.startswith("deltalake")}
        importers |= {path.relative_to(ROOT / "headrace").as_posix(): names} if names else {}
    assert {path for path, names in importers.items() if not names <= {"DeltaError"}} == {"lake/tables.py"}


def test_contracts_and_use_cases_are_found_by_names_that_lead_nowhere_else():
    for text in ESCAPES:
        with pytest.raises(HeadraceError, match="."):
            use_cases.load(text)
        with pytest.raises(HeadraceError, match="."):
            load_contract(f"silver.{text}")
