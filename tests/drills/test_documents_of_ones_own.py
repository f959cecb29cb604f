"""`make run` on a folder of one's own, as a person types it: without questions, then with questions and after the folder has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl

from headrace import use_case as use_cases
from headrace.lake import tables
from headrace.llm.index_versions import find_version, read_members
from headrace.registry import history
from headrace.settings import ROOT, Settings, load_settings

NAME = "docs_assistant"


def run(settings: Settings) -> str:
    """The whole lifecycle; what was said."""
    names = ("home", "documents_root", "landing_root", "models_root")
    variables = {f"HEADRACE_{name.upper()}": str(getattr(settings, name)) for name in names} | {"HEADRACE_ENV": settings.environment}
    command = [sys.executable, "-m", "flows", "lifecycle", "--use-case", NAME]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=1_800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_questions(settings: Settings) -> None:
    """A question per section of this repository's own documentation, in other words than its heading, and some that nothing answers."""
    sections = tables.read(settings, f"silver.{NAME}_sections").filter(pl.col("token_count") > 20).sort("section_id").collect()
    asked = [f'"What must be known of {row["title"].lower()} in {row["document_id"]}?",{row["section_id"]}' for row in sections.to_dicts()]
    nobody = [f"Who won the cup of the year {year}?," for year in range(1990, 2010)]
    folder = settings.landing / NAME / "questions"
    folder.mkdir(parents=True)
    text = "\n".join(line.replace('""', "'") for line in ["question,answer_section_id", *asked, *nobody])
    (folder / "first.csv").write_text(f"{text}\n", encoding="utf-8")


def read_documents(settings: Settings) -> set[str]:
    """Documents in the newest index."""
    case = use_cases.load_in(settings, NAME)
    version = find_version(settings, case)
    members = read_members(settings, case, as_of=version.as_of, gold_version=version.gold_version, embedder=version.embedder)
    return set(members["document_id"])


def test_it_runs_to_the_end_and_says_what_it_cannot_measure_without_questions(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("images", "reference"))
    (tmp_path / "docs" / "soon-gone.md").write_text("# Soon gone\n\nThis page tells about gargoyles.\n", encoding="utf-8")
    settings = load_settings("dev", home=tmp_path / "home", variables={})
    roots = {"documents_root": tmp_path / "docs", "landing_root": tmp_path / "landing", "models_root": load_settings("dev", variables={}).models}
    settings = settings.model_copy(update=roots)

    said = run(settings)
    assert "no question has a known answer at " in said
    assert "recall, reciprocal rank, nDCG, citation precision and abstention cannot be measured" in said
    assert "champion      none yet: each training was blocked" in said
    page = (settings.environment_home / f"story_{NAME}.html").read_text(encoding="utf-8")
    assert "There is no champion yet: each training was blocked" in page
    assert "what nobody judged is not promoted" in page
    case = use_cases.load_in(settings, NAME)
    assert history.read_promotions(settings, case).is_empty()
    assert "soon-gone.md" in read_documents(settings)

    write_questions(settings)
    (tmp_path / "docs" / "soon-gone.md").unlink()
    (tmp_path / "docs" / "new.md").write_text("# New\n\nThis page tells about gryphons.\n", encoding="utf-8")
    said = run(settings)
    assert "cannot be measured" not in said
    documents = read_documents(settings)
    assert "soon-gone.md" not in documents
    assert "new.md" in documents
    # Whether it passes the bars is for the questions to say; that somebody judged it is for the rows.
    (verdict,) = history.read_promotions(settings, case).to_dicts()
    assert verdict["action"] in ("promote", "reject")
    assert tables.read(settings, "metrics.retrieval_evaluations").select(pl.len()).collect().item() > 0
