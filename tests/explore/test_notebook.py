"""The whole notebook without a server, on a lake that real stages have filled: it shows everything, and changes nothing."""

import re
import shutil
import socket
import subprocess
import sys

import httpx
import marimo
import pytest

from headrace.errors import LakeError
from headrace.explore.lake import open_lake
from headrace.explore.page import render_output, render_page
from headrace.lake import tables
from headrace.servers import HOST
from headrace.settings import ROOT, load_settings
from tests.explore.small_lake import CASE, PERSON, REASON, fill, snapshot, write_airlines
from tools import explore

pytestmark = pytest.mark.long

SECTIONS = ["Profile of gold.flight_delay_features", "is_late over time", "is_late against carrier", "Drift: ", "SQL"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Prod's lake, filled; dev has none."""
    folder = tmp_path_factory.mktemp("home")
    fill(load_settings("prod", home=folder, variables={"HEADRACE_THREADS": "1"}))
    return folder


@pytest.fixture
def at_dev(home, monkeypatch):
    """A process of dev, which has written nothing yet."""
    shutil.rmtree(home / "dev", ignore_errors=True)
    for name, value in {"ENV": "dev", "HOME": str(home), "SUBSET": "true"}.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    return home


@pytest.fixture
def lake(at_dev):
    return open_lake(CASE.name, of="prod")


def read_words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]).split())


def test_the_page_has_every_section_and_the_lake_is_as_it_was(at_dev, capsys):
    before = snapshot(at_dev / "prod")
    prod = load_settings("prod", home=at_dev, variables={})
    versions = {table: tables.read_version(prod, table) for table in tables.list_tables(prod)}

    assert explore.main(["page", "--use-case", CASE.name, "--of", "prod"]) == 0

    page = at_dev / "dev" / "of_prod" / "explore_flight_delay.html"
    assert capsys.readouterr().out == f"{page}\n"
    said = read_words(page.read_text(encoding="utf-8"))
    assert [section for section in SECTIONS if section not in said] == []
    assert "make explore-page USE_CASE=flight_delay ENV=dev OF=prod" in said
    assert snapshot(at_dev / "prod") == before
    assert {table: tables.read_version(prod, table) for table in tables.list_tables(prod)} == versions


def test_markup_of_a_cell_is_shown_under_a_policy_that_lets_nothing_run_or_load(lake):
    said = render_output(marimo.Html("<b>bold</b><svg/onload=alert(1)>"))
    assert said is not None
    page = render_page(lake, [said], notebook="explore.py")
    policy = page.index("""http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:\"""")
    assert policy < page.index("<b>bold</b>")


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(lake):
    page = explore.export(lake).read_text(encoding="utf-8")
    assert re.findall(r"<script|<link|<img|<iframe|<marimo|\bsrc=|@import|url\(|\bon\w+=", page) == []


def test_personal_data_is_counted_and_nowhere_to_be_read(lake):
    """A person's own copy looks at the table of approvals in every way that the notebook offers, and in a cell of its own."""
    copy = explore.place_copy(lake)
    own = "\n\n@app.cell\ndef _(lake):\n    lake.read('metrics.approvals')\n    return\n\n\nif __name__"
    text = copy.read_text(encoding="utf-8").replace("start = lake.feature_table", "start = 'metrics.approvals'").replace("COUNT(*) AS rows", "*")
    copy.write_text(text.replace("\n\nif __name__", own), encoding="utf-8")
    assert copy.read_text(encoding="utf-8").count("metrics.approvals") == 2
    page = explore.export(lake).read_text(encoding="utf-8")
    said = read_words(page)
    assert "Profile of metrics.approvals" in said
    assert said.count("counted, not shown") == 2
    assert "explore_flight_delay.py" in said
    assert "Table Rows: 1 of 1." in said
    assert re.search(r"SQL Rows: 1\. use_case model_version model_id approved_at", said)
    assert PERSON not in page
    assert REASON not in page


def test_a_lake_that_is_only_half_filled_shows_what_is_there(at_dev):
    write_airlines(load_settings())
    said = read_words(explore.export(open_lake(CASE.name)).read_text(encoding="utf-8"))
    assert "Profile of silver.flight_delay_airlines" in said
    assert said.count("No row has a known label yet.") == 2
    assert "Nothing can be compared: the window has 0 values" in said


def test_a_copy_that_somebody_changed_stays_and_one_that_nobody_changed_follows(lake, monkeypatch, tmp_path):
    copy = explore.place_copy(lake)
    later = tmp_path / "explore.py"
    later.write_text("# a later commit\n", encoding="utf-8")
    monkeypatch.setattr(explore, "NOTEBOOK", later)
    assert explore.place_copy(lake).read_text(encoding="utf-8") == "# a later commit\n"
    copy.write_text("# mine\n", encoding="utf-8")
    assert explore.place_copy(lake).read_text(encoding="utf-8") == "# mine\n"
    assert not copy.is_relative_to(ROOT)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import marimo\napp = marimo.App()\n@app.cell\ndef _():\n    1 / 0\n    return\n", "ZeroDivisionError: division by zero"),
        ("app = 3\n", "AttributeError"),
        ("import marimo as\n", "SyntaxError"),
    ],
)
def test_a_notebook_that_does_not_run_says_so_in_one_sentence_and_no_page_is_written(code, said, lake, capsys):
    explore.place_copy(lake).write_text(code, encoding="utf-8")
    assert explore.main(["page", "--use-case", CASE.name, "--of", "prod"]) == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    assert "move it away" in complaint
    assert not (lake.folder / "explore_flight_delay.html").exists()


@pytest.mark.parametrize("verb", ["page", "notebook"])
def test_an_empty_lake_ends_in_one_sentence_with_the_next_move_and_its_exit_code(verb, at_dev, capsys):
    assert explore.main([verb, "--use-case", CASE.name]) == LakeError.exit_code
    said = capsys.readouterr().err
    assert "dev has no table of flight_delay yet" in said
    assert "make run USE_CASE=flight_delay ENV=dev fills it" in said
    assert said.count("\n") == 1


def test_the_editor_answers_on_loopback_and_only_to_who_has_the_token(at_dev):
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tools.explore", "notebook", "--use-case", CASE.name, "--of", "prod", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as editor:
        try:
            lines = iter(editor.stdout.readline, "")
            token = next(found[1] for line in lines if (found := re.search(r"access_token=(\S+)", line)))
            address = f"http://{HOST}:{port}"
            assert httpx.get(address, follow_redirects=True, timeout=30).url.path == "/auth/login"
            assert httpx.post(f"{address}/api/kernel/run", json={}, timeout=30).status_code == 401
            assert httpx.get(address, params={"access_token": token}, follow_redirects=True, timeout=30).url.path == "/"
        finally:
            editor.terminate()
    assert (at_dev / "dev" / "of_prod" / "notebooks" / "explore_flight_delay.py").read_bytes() == explore.NOTEBOOK.read_bytes()


def test_neither_flows_nor_the_server_nor_the_console_load_the_notebook():
    command = "import sys, flows.lifecycle, headrace.serving.app, headrace.console.story; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {"marimo", "headrace.explore"}.isdisjoint(loaded)
