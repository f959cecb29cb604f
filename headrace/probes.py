"""Whether the servers of an environment answer, and refuse whom they must: asked with the credentials of a flow, and without."""

import json
from collections.abc import Callable

import httpx

from headrace import servers
from headrace.decisions import Decision, blocked, passed
from headrace.errors import HeadraceError, SourceError
from headrace.lake import tables
from headrace.lake.upstream import has_never_come
from headrace.registry import versions
from headrace.settings import Settings
from headrace.use_case import UseCase

_SECONDS = 10.0


def probe(settings: Settings, case: UseCase) -> list[Decision]:
    """Ask everything that this environment has: its registry always, its servers where they are up, its upstream where it reads one.

    Args:
        settings: The environment.
        case: The use case as this environment runs it.
    """
    decisions = [_guard("registry", lambda: _ask_registry(settings))]
    if servers.is_up(settings):
        decisions += [_guard("prefect", lambda: _ask_prefect(settings)), _guard("worker", lambda: _ask_worker(settings))]
        if _is_deployed(settings):
            decisions.append(_guard("model_server", lambda: _ask_model_server(settings, case)))
    if settings.reads_from is not None:
        decisions.append(_guard("upstream", lambda: _ask_upstream(settings, case, upstream=settings.reads_from or "")))
    return decisions


def _guard(gate: str, ask: Callable[[], Decision]) -> Decision:
    """A server that cannot be asked has not passed."""
    try:
        return ask()
    except httpx.HTTPError as error:
        return blocked(gate, f"does not answer ({type(error).__name__}); look at make status and its log")
    except HeadraceError as error:
        return blocked(gate, str(error))
    except (ValueError, KeyError, TypeError) as error:
        return blocked(gate, f"answers with something else than expected ({type(error).__name__}); see what listens on its port")


def _ask_registry(settings: Settings) -> Decision:
    """Write, read and delete in the registry, as training does."""
    if versions.check_writable(settings):
        return passed("registry", "takes an experiment and deletes it")
    return passed("registry", "is a file that nobody has written yet")


def _ask_prefect(settings: Settings) -> Decision:
    address = f"{_api(settings)}/admin/version"
    known = httpx.get(address, auth=_login(settings), timeout=_SECONDS)
    unknown = httpx.get(address, timeout=_SECONDS)
    if not known.is_success:
        return blocked("prefect", f"refuses our login (HTTP {known.status_code}); make down and make up read the credentials anew")
    if unknown.status_code != httpx.codes.UNAUTHORIZED:
        return blocked("prefect", f"answers without a login (HTTP {unknown.status_code}, expected 401); it must be started by make up")
    return passed("prefect", f"version {known.json()} answers, with a login only")


def _ask_worker(settings: Settings) -> Decision:
    pool = f"{settings.environment}-pool"
    answer = httpx.post(f"{_api(settings)}/work_pools/{pool}/workers/filter", json={}, auth=_login(settings), timeout=_SECONDS)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return blocked("worker", f"there is no work pool {pool}; make up starts its worker")
    answer.raise_for_status()
    online = sorted(found["name"] for found in answer.json() if found["status"] == "ONLINE")
    if not online:
        return blocked("worker", f"no worker of {pool} is online, so no deployed run starts; look at make status")
    return passed("worker", f"{', '.join(online)} takes runs of {pool}")


def _ask_model_server(settings: Settings, case: UseCase) -> Decision:
    """A server without a champion to serve is well, and so is one that serves another use case; one that cannot serve its champion is not."""
    answer = httpx.get(f"http://{settings.serving_host}:{settings.serving_port}/health", timeout=_SECONDS).json()
    if answer["use_case"] != case.name and settings.served_use_case == case.name:
        return blocked("model_server", f"answers for {answer['use_case']}, and served_use_case is {case.name}; run make deploy to restart it")
    if answer["use_case"] != case.name:
        return passed("model_server", f"answers for {answer['use_case']}, so nothing of {case.name} is served here")
    champion = versions.read_alias(settings, case, alias=versions.CHAMPION)
    if champion is None:
        return passed("model_server", "is live, and there is no champion to serve yet")
    if answer["status"] == "unavailable":
        return blocked("model_server", f"cannot answer: {'; '.join(answer['problems'])}")
    if answer["model_version"] != champion.number:
        return blocked("model_server", f"serves version {answer['model_version']}, and version {champion.number} is champion; see its log")
    return passed("model_server", f"{answer['status']}, serves version {answer['model_version']}")


def _ask_upstream(settings: Settings, case: UseCase, *, upstream: str) -> Decision:
    """Every feed of the upstream environment can be read; before it has ingested anything there is nothing to read."""
    found = {feed: tables.read_version(settings, f"{upstream}.{case.table('bronze', feed)}") for feed in case.feeds}
    missing = [feed for feed, version in found.items() if version is None]
    if len(missing) == len(found):
        return passed("upstream", f"{upstream} has ingested nothing yet")
    # A feed of which nothing ever came has no table: nobody has said a word about an answer, for example.
    lost = [feed for feed in missing if not has_never_come(settings, upstream, case.name, feed)]
    if lost:
        raise SourceError(f"{upstream} has no {', '.join(lost)}; run make ingest ENV={upstream} USE_CASE={case.name}")
    there = [feed for feed in case.feeds if feed not in missing]
    count = sum(tables.read(settings, f"{upstream}.{case.table('bronze', feed)}").head(1).collect().height for feed in there)
    return passed("upstream", f"{count} of {len(found)} feeds of {upstream} have rows")


def _api(settings: Settings) -> str:
    return f"http://{servers.HOST}:{settings.prefect_port}/api"


def _login(settings: Settings) -> tuple[str, str]:
    user, _, password = servers.client_variables(settings)["PREFECT_API_AUTH_STRING"].partition(":")
    return user, password


def _is_deployed(settings: Settings) -> bool:
    path = settings.environment_home / "run" / "release.json"
    return path.is_file() and bool(json.loads(path.read_text(encoding="utf-8")).get("commit"))
