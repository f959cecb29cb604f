"""The verdict of a verification: on the terminal, on the page of a workflow's run, on the request; and never a yes that nobody found."""

import subprocess
from types import SimpleNamespace

import pytest

from headrace import verification
from headrace.decisions import blocked
from headrace.errors import BLOCKED_EXIT_CODE
from headrace.settings import ROOT
from operations import verdict
from tests.test_verification import ALL_KINDS, CASE, NOON, check

OPTIONS = SimpleNamespace(use_case=CASE.name)


def test_without_a_verification_there_is_no_verdict(settings, capsys):
    assert verdict.run(settings, OPTIONS) == BLOCKED_EXIT_CODE
    assert "was never verified" in capsys.readouterr().out


@pytest.mark.parametrize("is_good", [True, False])
def test_it_goes_to_the_page_of_the_run_and_on_to_the_job_that_posts_it(settings, tmp_path, monkeypatch, capsys, is_good):
    checks = ALL_KINDS if is_good else [*ALL_KINDS, check("stage", blocked("refine", "a | in\nit"))]
    verification.record_checks(settings, CASE, checks, verified_at=NOON)
    for name in (verdict.SUMMARY, verdict.OUTPUT):
        monkeypatch.setenv(name, str(tmp_path / name))
    assert verdict.run(settings, OPTIONS) == (0 if is_good else BLOCKED_EXIT_CODE)
    said = capsys.readouterr().out
    assert f"flight_delay: {'passed' if is_good else 'BLOCKED'} at 2026-11-27" in said
    assert (tmp_path / verdict.SUMMARY).read_text() == said
    first, *lines, last = (tmp_path / verdict.OUTPUT).read_text().splitlines()
    assert (first, last) == ("verdict<<END-OF-VERDICT", "END-OF-VERDICT")
    assert "\n".join(lines) + "\n" == said
    assert is_good or "a \\| in it" in said


@pytest.mark.parametrize(
    ("request_number", "says"), [("", "must be the number of a request"), ("1; rm x", "must be the number"), ("7", "gh, GitHub's own program")]
)
def test_it_is_posted_on_a_request_only_and_by_githubs_program_only(tmp_path, request_number, says):
    for tool in ("bash", "env"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    variables = {"PATH": str(tmp_path), "REQUEST": request_number, "VERDICT": "passed"}
    done = subprocess.run([ROOT / "tools" / "post_verdict"], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert says in done.stderr
