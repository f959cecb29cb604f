"""Follows the alias `champion`: a thread asks the registry every two seconds, loads what is new beside the old, and swaps.

What cannot be loaded never replaces what works. A registry that does not answer leaves the present champion in place; one
that says there is no champion takes it out of service, since somebody removed the alias on purpose.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import CandidateError, HeadraceError
from headrace.models.candidate import read_candidate
from headrace.registry.candidates import LoadedCandidate
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ChampionRef:
    """Which version is champion, and where its files lie.

    Attributes:
        version: Its number in the registry.
        model_id: Its model id.
        folder: The candidate's folder on this machine.
    """

    version: int
    model_id: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A champion that is ready to answer."""

    ref: ChampionRef
    scorer: LoadedCandidate


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What the last look at the registry left.

    Attributes:
        champion: The model that answers, None when there is none.
        problem: Why the champion is missing or may be out of date; None when all is well.
    """

    champion: Champion | None
    problem: str | None


FindChampion = Callable[[], ChampionRef | None]
LoadCandidate = Callable[[Path], LoadedCandidate]


def find_registered_champion(settings: Settings, case: UseCase) -> FindChampion:
    """The search for the alias `champion` of `<environment>.<use_case>`; a version's files are fetched once."""
    # MLflow costs more than a second of processor time, so only the process that asks a registry pays it.
    from headrace.registry import versions

    known: dict[int, ChampionRef] = {}

    def find() -> ChampionRef | None:
        version = versions.read_alias(settings, case, alias=versions.CHAMPION)
        if version is None:
            return None
        if version.number not in known:
            known.clear()
            folder = versions.candidate_folder(settings, version)
            known[version.number] = ChampionRef(version=version.number, model_id=version.model_id, folder=folder)
        return known[version.number]

    return find


class ModelWatcher:
    """Keeps `now` at the champion that the registry names."""

    def __init__(self, find_champion: FindChampion, *, load: LoadCandidate, features_version: int, poll_seconds: float = POLL_SECONDS) -> None:
        """Prepare to watch; nothing is asked before `start` or `look`.

        Args:
            find_champion: Asks the registry; None means that it says there is no champion, `RegistryError` that it cannot tell.
            load: Loads a candidate's folder: a model of rows or a chain.
            features_version: The version of the features that this process computes; a model of another is refused.
            poll_seconds: Time between two looks.
        """
        self._find_champion, self._load, self._features_version, self._poll_seconds = find_champion, load, features_version, poll_seconds
        self.now = Watched(champion=None, problem="the registry was not asked yet; try again in a moment")
        self._stopping, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="model-watcher", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether the registry is being watched."""
        return self._thread.is_alive()

    def start(self, *, wait_seconds: float) -> None:
        """Begin to watch; return after the first look, or when it takes longer than `wait_seconds`."""
        self._thread.start()
        self._looked.wait(wait_seconds)

    def stop(self) -> None:
        """End the thread; a look that hangs in the registry is left behind."""
        self._stopping.set()
        self._thread.join(self._poll_seconds)

    def look(self) -> None:
        """Ask the registry once, and follow it."""
        before = self.now
        try:
            self.now = self._follow(before.champion)
        except (HeadraceError, OSError) as error:
            self.now = Watched(champion=before.champion, problem=str(error))
        if self.now.problem and self.now.problem != before.problem:
            logger.warning("champion: %s", self.now.problem)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self.look()
            self._looked.set()
            self._stopping.wait(self._poll_seconds)

    def _follow(self, present: Champion | None) -> Watched:
        ref = self._find_champion()
        if ref is None:
            return Watched(champion=None, problem="the registry says that there is no champion; train and promote one")
        if present is not None and present.ref == ref:
            return Watched(champion=present, problem=None)
        # Looked at first: to load a chain opens an index, and a version that does not fit would be loaded at every look.
        trained_on = read_candidate(ref.folder).features_version
        if trained_on != self._features_version:
            raise CandidateError(
                f"version {ref.version} was trained on features version {trained_on}, this server computes version "
                f"{self._features_version}; serve it with the commit that trained it, or train again"
            )
        scorer = self._load(ref.folder)
        logger.info("serving version=%d model_id=%s", ref.version, ref.model_id)
        return Watched(champion=Champion(ref=ref, scorer=scorer), problem=None)
