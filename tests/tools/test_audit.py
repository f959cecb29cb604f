"""A package that nobody could tell about has not passed the audit."""

import pytest

from headrace.settings import ROOT
from tools import audit

CLEAN = {"name": "polars", "version": "2.1.0", "vulns": []}
HIT = {"name": "jinja2", "version": "3.1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["3.1.7"]}, {"id": "PYSEC-2026-2", "fix_versions": []}]}
SKIPPED = {"name": "lmdb", "skip_reason": "Dependency not found and could not be audited: lmdb (3.0.0)"}


def read(*entries, pins):
    return audit.read_report({"dependencies": list(entries)}, pins=pins)


def test_pins_that_are_all_known_to_be_clean_pass(capsys):
    assert audit.conclude(read(CLEAN, pins=["polars"])) == 0
    assert capsys.readouterr().out == "audit: 1 pinned packages, no known vulnerability\n"


@pytest.mark.parametrize(
    ("entries", "pins", "sentence"),
    [
        pytest.param([CLEAN, HIT], ["polars", "jinja2"], "vulnerable: jinja2 3.1.0: PYSEC-2026-1 (fixed in 3.1.7)", id="vulnerable"),
        pytest.param([CLEAN, SKIPPED], ["polars", "lmdb"], "1 of 2 pinned packages could not be audited (lmdb)", id="not found"),
        pytest.param([CLEAN], ["polars", "lmdb"], "1 of 2 pinned packages could not be audited (lmdb)", id="left out"),
        pytest.param([], ["polars"], "1 of 1 pinned packages could not be audited", id="an empty report"),
    ],
)
def test_anything_else_does_not(entries, pins, sentence, capsys):
    assert audit.conclude(read(*entries, pins=pins)) == 1
    assert sentence in capsys.readouterr().err


def test_an_audit_of_nothing_does_not_pass():
    assert audit.conclude(read(pins=[])) == 1


def test_every_pin_is_asked_about():
    pins = audit.list_pins((ROOT / "constraints.txt").read_text())
    assert {"prefect", "mlflow", "polars", "psycopg-binary"} <= set(pins)
    assert len(pins) > 100
