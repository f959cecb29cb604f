"""Questions that are asked twice, answered from a terminal, or by nobody; two minutes on a quiet machine."""

from headrace.registry import history
from tests.operations.environment import run_verb, start_run, wait_for_state
from tests.story.asking import RESTS, answer, deployment, dev, read_run
from tests.story.conftest import trained_home

__all__ = ["deployment", "dev", "trained_home"]

# On a machine with much else to do, a worker took four minutes to begin a run.
PATIENCE_SECONDS = 600


def test_a_second_run_does_not_ask_again_and_a_verb_resumes_the_first(dev, deployment):
    settings, case = dev.settings, dev.case
    version = dev.register("c")
    asked = start_run(settings, deployment)
    assert wait_for_state(settings, asked, RESTS, seconds=PATIENCE_SECONDS) == "Suspended", read_run(dev, asked)["state"]
    second = start_run(settings, deployment)
    assert wait_for_state(settings, second, RESTS, seconds=PATIENCE_SECONDS) == "Blocked"
    assert f"waits already for a person to decide about version {version.number}" in read_run(dev, second)["state"]["message"]
    assert "goes on with it" in answer(dev, "approve", version)
    assert wait_for_state(settings, asked, RESTS[1:], seconds=PATIENCE_SECONDS) == "Completed", read_run(dev, asked)["state"]
    assert history.read_reigns(settings, case)[-1].version == version.number


def test_a_form_that_nobody_fills_in_ends_failed_and_a_row_is_enough_without_it(dev, deployment):
    """The server's own expiry ends the run; the row of `make approve` needs no run that waits."""
    settings, case = dev.settings, dev.case
    version = dev.register("d")
    local = settings.environment_home / "local.yaml"
    kept = local.read_text()
    local.write_text(kept + "approval_expires_hours: 0.002\n")
    run = start_run(settings, deployment)
    assert wait_for_state(settings, run, ("Failed", "Blocked", "Completed"), seconds=PATIENCE_SECONDS) == "Failed", read_run(dev, run)["state"]
    local.write_text(kept)

    assert "no run waits for it, so the next promote takes it" in answer(dev, "approve", version)
    promotion = run_verb(settings, "-m", "flows", "promote", "--use-case", case.name)
    assert promotion.returncode == 0, promotion.stdout + promotion.stderr
    row = history.read_promotions(settings, case).filter(model_version=version.number).row(0, named=True)
    assert (row["action"], row["approver"], row["approval_reason"]) == ("promote", "ada", "good")
