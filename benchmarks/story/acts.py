"""The acts of the story, in their order. Each does what a person would do and asserts on what is then in tables and registry."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.story import lake, machine
from benchmarks.story.figures import Figures
from benchmarks.story.lake import check
from benchmarks.story.place import ENVIRONMENTS, Place
from benchmarks.story.runs import Run, Server
from headrace.settings import Settings

TICKS = tuple(datetime(2013, month, 1, tzinfo=UTC) for month in range(4, 9))
RELEASE = "2013.06"
REFUSED = 22

# Prefect's name of the flow `verify_environment`.
VERIFICATION = "verify-environment"

# Patience, not aims: a tick of a month takes a minute on two quiet cores, and a machine that is shared may be slower many times over.
TICK_SECONDS = 600
# A killed run is noticed when three heartbeats of 30 s are missing, then planned anew.
RESUME_SECONDS = 900
# An event's run is there within seconds.
EVENT_SECONDS = 240


def turn_away(place: Place, figures: Figures) -> None:
    """No deployment from a wrong branch, a tree that is not clean, or a commit whose checks nobody recorded."""
    place.git("checkout", "--quiet", "-b", "feature/idea")
    place.verb("deploy", "staging", expect=REFUSED)
    place.git("checkout", "--quiet", "main")
    place.verb("deploy", "prod", expect=REFUSED)

    readme = place.clone / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text + "\nA late thought.\n", encoding="utf-8")
    place.verb("deploy", "staging", expect=REFUSED)
    place.git("checkout", "--quiet", "README.md")

    checked = place.git("rev-parse", "HEAD")
    place.commit("Change nothing, checked by nobody")
    place.verb("deploy", "staging", expect=REFUSED)
    place.verb("release", NAME=RELEASE, expect=REFUSED)
    place.git("reset", "--quiet", "--hard", checked)
    for environment in ENVIRONMENTS:
        check(not machine.release_path(place, environment).exists(), f"nothing is deployed to {environment}")
    figures.note("refused", "wrong branch (2), dirty tree, unchecked commit (2)")


def bring_up(place: Place, figures: Figures) -> None:
    """All servers of three environments, healthy; dev is deployed to while the others start. Dev takes any commit."""
    figures.seconds("make up ENV=dev", place.verb("up", "dev").seconds)
    figures.note("memory of dev at rest", f"{machine.measure_memory(place.settings('dev')):,.0f} MB")
    with ThreadPoolExecutor() as pool:
        deployed = pool.submit(place.verb, "deploy", "dev")
        started = {environment: pool.submit(place.verb, "up", environment) for environment in ("staging", "prod")}
        for environment, verb in started.items():
            figures.seconds(f"make up ENV={environment}, beside the others", verb.result().seconds)
        figures.seconds("first make deploy (builds the packages), beside them", deployed.result().seconds)
    figures.seconds("make up ENV=prod, again", place.verb("up", "prod").seconds)
    for environment in ENVIRONMENTS:
        place.verb("status", environment)
    for environment in ("staging", "prod"):
        figures.note(f"memory of {environment} at rest", f"{machine.measure_memory(place.settings(environment)):,.0f} MB")


def deploy_everywhere(place: Place, figures: Figures) -> None:
    """Staging takes main, prod a release; the same commit again changes nothing."""
    head = place.git("rev-parse", "HEAD")
    figures.seconds("make deploy ENV=staging", place.verb("deploy", "staging").seconds)
    staging = Server(place.settings("staging"))
    before = machine.list_deployments(staging)
    figures.seconds("make deploy ENV=staging, again", place.verb("deploy", "staging").seconds)
    check(machine.list_deployments(staging) == before, "a second deployment leaves the same deployments and triggers")
    # It takes a minute; prod goes on meanwhile.
    staging.start(VERIFICATION)

    place.verb("release", NAME=RELEASE)
    place.git("checkout", "--quiet", f"release/{RELEASE}")
    figures.seconds("make deploy ENV=prod", place.verb("deploy", "prod").seconds)
    for environment in ENVIRONMENTS:
        check(machine.read_release(place, environment)["commit"] == head, f"{environment} runs {head[:12]}")
    # What runs is the commit: this edit would break every stage of prod, were it read.
    source = place.clone / "flows" / "ingest.py"
    source.write_text("raise SystemExit('the folder, not the commit')\n", encoding="utf-8")


def run_from_schedule(place: Place, figures: Figures) -> None:
    """Prod's first tick is run by its schedule, not by us."""
    server = Server(place.settings("prod"))
    scheduled = server.wait("a run of the schedule", lambda: _first_started(server.find("lifecycle")), seconds=EVENT_SECONDS)
    server.pause_schedules("lifecycle")
    check(scheduled.is_scheduled, f"{scheduled.name} was created by the schedule")
    ended = server.wait_for_end(scheduled, seconds=TICK_SECONDS)
    check(lake.read_finished(place.settings("prod"), "monitor") == [TICKS[0]], "the scheduled run did the first tick, and only that")
    figures.between("a scheduled run: due until running", scheduled.due_at, ended.started_at)
    figures.between("first tick of prod (three months of flights)", ended.started_at, ended.ended_at)


def approve_first_champion(place: Place, figures: Figures) -> None:
    """Training registers a version, its event starts the promotion, a person fills the form."""
    settings = place.settings("prod")
    server = Server(settings)
    server.wait_for_end(server.start("retrain"), seconds=TICK_SECONDS)
    waiting = _wait_for_promotion(server, number=1)
    figures.measure_event(server, "headrace.model.registered", waiting)
    check(machine.read_alias(settings, "champion") is None, "nobody is champion before a person has said so")
    server.fill_form(waiting, decision="approve", name="Ada", reason="Beats the dispatcher's rule on every slice")
    server.wait_for_end(waiting, seconds=TICK_SECONDS)
    (decision,) = lake.read_promotions(settings)
    check(decision["action"] == "promote" and decision["model_version"] == 1, "version 1 is promoted")
    check(decision["approver"] == "Ada" and "dispatcher" in str(decision["approval_reason"]), "the row says who approved, and why")
    check(machine.read_alias(settings, "champion") == 1, "the registry follows the row")


def verify_staging(place: Place, figures: Figures) -> None:
    """The integration test of the book, on staging's own servers, begun when staging was deployed."""
    settings = place.settings("staging")
    server = Server(settings)
    [run] = server.find(VERIFICATION)
    ended = server.wait_for_end(run, seconds=TICK_SECONDS)
    rows = lake.read_rows(settings, "metrics.environment_checks")
    check(rows.height > 5 and rows["is_passed"].all(), f"all {rows.height} checks of staging passed")
    figures.between("verify_environment", ended.started_at, ended.ended_at)
    overhead = machine.measure_overhead(place, "staging")
    figures.note("overhead per task", f"{overhead['task_seconds'] * 1e3:.0f} ms")
    figures.note("overhead per subflow", f"{overhead['flow_seconds'] * 1e3:.0f} ms")


def survive_kills(place: Place, figures: Figures) -> None:
    """The worker, its flow and the server die in the middle of a tick; the run is resumed, and the tables are those of an undisturbed run."""
    settings = place.settings("prod")
    server = Server(settings)
    run = server.start("lifecycle")
    server.wait("the first stage of the second tick", lambda: _when(TICKS[1] in lake.read_finished(settings, "ingest"), run), seconds=TICK_SECONDS)
    machine.kill(settings, "worker")
    machine.kill_flow(run)
    machine.kill(settings, "prefect-server")
    killed_at = datetime.now(UTC)
    # Prod never read the broken edit; a verb that is typed in the folder would.
    place.git("checkout", "--quiet", "flows/ingest.py")
    place.verb("lifecycle", "dev", AS_OF=f"{TICKS[1]:%Y-%m-%d}")
    ended = machine.wait_through_outage(server, run, seconds=RESUME_SECONDS)
    check(ended.count >= 2, f"{ended.name} was started again")
    figures.between("worker, flow and server killed: until the run was done", killed_at, ended.ended_at)
    check(lake.read_finished(settings, "monitor") == list(TICKS[:2]), "the second tick is finished, once")
    check(lake.list_differing(settings, place.settings("dev")) == [], "prod's tables are those of a run that nobody disturbed")
    # One window of April was worse than allowed: the event asks, and the policy waits for a second.
    asked = server.wait("the run that April's drop started", lambda: _nth(server.find("retrain"), 2), seconds=EVENT_SECONDS)
    server.wait_for_end(asked, seconds=TICK_SECONDS)
    check(machine.list_stuck(server) == [], "no run is stuck, and no slot is held")


def refuse_a_challenger(place: Place, figures: Figures) -> None:
    """The champion is old enough to be trained again; its challenger passes the gates, and a person says no."""
    settings = place.settings("prod")
    server = Server(settings)
    _run_tick(server)
    server.wait_for_end(server.start("retrain"), seconds=TICK_SECONDS)
    waiting = _wait_for_promotion(server, number=2)
    place.verb("reject", "prod", VERSION="2", BY="Grace", REASON="Not before the summer schedule is out")
    machine.wait_until_judged(server, waiting)
    decision = lake.read_promotions(settings)[-1]
    check(decision["action"] == "reject" and decision["approver"] == "Grace", "version 2 is refused, by name")
    check(machine.read_alias(settings, "champion") == 1, "version 1 is still champion")
    check(machine.read_tag(settings, 2, "stage") == "archived", "version 2 is archived")
    figures.note("refused by a person", "version 2")


def retrain_by_event(place: Place, figures: Figures) -> None:
    """Performance drops in two windows running: monitoring's event starts the retraining that nobody asked for."""
    settings = place.settings("prod")
    server = Server(settings)
    # July: the drop is not yet large enough, the policy looks and lets the champion be.
    _run_tick(server)
    server.wait_for_end(server.start("retrain"), seconds=TICK_SECONDS)
    known = {run.id for run in server.find("retrain")}

    def look() -> Run | None:
        return next((run for run in server.find("retrain") if run.id not in known), None)

    _run_tick(server)
    triggered = server.wait_for_end(server.wait("a retraining that an event started", look, seconds=EVENT_SECONDS), seconds=TICK_SECONDS)
    figures.measure_event(server, "headrace.performance.dropped", triggered)
    decision = lake.read_rows(settings, "metrics.retrain_decisions").sort("as_of").to_dicts()[-1]
    check(decision["should_retrain"] and decision["trigger"] == "performance", f"performance asked for it: {decision['reason']}")
    judged = server.wait("the promotion of version 3", lambda: _nth(server.find("promote"), 3), seconds=EVENT_SECONDS)
    figures.note("retrained by an event", f"version 3; its promotion: {machine.wait_until_settled(server, judged).state}")


def back_up_and_restore(place: Place, figures: Figures) -> None:
    """A backup of prod, restored elsewhere, is prod."""
    backup, elsewhere = place.folder / "backup", place.folder / "restored"
    figures.seconds("make backup ENV=prod", place.verb("backup", "prod", TO=str(backup)).seconds)
    figures.note("size of the backup", f"{sum(path.stat().st_size for path in backup.rglob('*') if path.is_file()) / 1e6:,.0f} MB")
    before = machine.read_versions(place.settings("prod"))
    place.verb("down", "prod")
    kept = place.home / "prod"
    kept.rename(elsewhere)
    figures.seconds("make restore ENV=prod", place.verb("restore", "prod", FROM=str(backup)).seconds)
    check(lake.list_all_differing(place.settings("prod"), _moved(place, elsewhere)) == [], "every table is restored, row for row")
    place.verb("up", "prod")
    check(machine.read_versions(place.settings("prod")) == before, "the registry is restored: versions, tags, aliases")


def take_down(place: Place, figures: Figures) -> None:
    """All servers end and leave nothing running."""
    seconds = sum(place.verb("down", environment).seconds for environment in ENVIRONMENTS)
    figures.seconds("make down, all three", seconds)
    check(machine.list_processes(place.home) == [], "no process of the story is left")


ACTS: Mapping[str, Callable[[Place, Figures], None]] = {
    "turn away": turn_away,
    "bring up": bring_up,
    "deploy everywhere": deploy_everywhere,
    "run from schedule": run_from_schedule,
    "approve first champion": approve_first_champion,
    "verify staging": verify_staging,
    "survive kills": survive_kills,
    "refuse a challenger": refuse_a_challenger,
    "retrain by event": retrain_by_event,
    "back up and restore": back_up_and_restore,
    "take down": take_down,
}


def _first_started(runs: list[Run]) -> Run | None:
    return next((run for run in runs if run.started_at is not None), None)


def _nth(runs: list[Run], number: int) -> Run | None:
    return runs[number - 1] if len(runs) >= number else None


def _when(is_so: bool, run: Run) -> Run | None:
    return run if is_so else None


def _run_tick(server: Server) -> None:
    """The next tick of the replay, by the Run button."""
    server.wait_for_end(server.start("lifecycle"), seconds=TICK_SECONDS)


def _wait_for_promotion(server: Server, *, number: int) -> Run:
    """The promotion that an event started, once it waits for a person."""
    run = server.wait(f"promotion {number}", lambda: _nth(server.find("promote"), number), seconds=EVENT_SECONDS)
    return server.wait_for_end(run, seconds=TICK_SECONDS, expect="Suspended")


def _moved(place: Place, folder: Path) -> Settings:
    """Settings of prod as it was before it was moved aside."""
    home = place.folder / "as-it-was"
    home.mkdir(exist_ok=True)
    folder.rename(home / "prod")
    return place.settings("prod", home=home)
