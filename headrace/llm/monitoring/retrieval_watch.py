"""Retrieval of a window beside the corpus: what was found still stands, the served index keeps up, canaries are found, a sample is graded."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from headrace.errors import CandidateError, HeadraceError
from headrace.lake import tables
from headrace.llm.chain import QUESTION
from headrace.llm.chain_candidate import CHAIN, load_chain, read_pins
from headrace.llm.confidence import parse_confidence
from headrace.llm.corpus import VERSIONS, read_current_versions, read_sections
from headrace.llm.index_versions import read_versions
from headrace.llm.monitoring.answered import Answered
from headrace.llm.monitoring.grades import draw_sample, grade_sample
from headrace.llm.monitoring.retrieval_health import find_changed, measure_canaries, measure_index_age, measure_scores, measure_stale
from headrace.models.candidate import read_candidate
from headrace.models.kinds.assistant import NO_SECTION
from headrace.monitoring.figures import Figure
from headrace.registry import scoring, versions
from headrace.registry.history import Reign
from headrace.settings import Settings
from headrace.use_case import UseCase

# Questions that are asked of a champion's index: 20 CPU-ms each.
CANARIES = 30

INDEX_AGE, CANARY = "retrieval/index_behind_h", "retrieval/canary_recall_at_10_fraction"


class RetrievalWatch:
    """Holds answers against the corpus and the index; what it has read it keeps for the next window."""

    def __init__(self, settings: Settings, case: UseCase) -> None:
        """Nothing but the list of index versions is read before a window is measured."""
        self._settings, self._case = settings, case
        self._index = {version.name: version for version in read_versions(settings, case)}
        self._sections: dict[str, Mapping[str, str]] = {}
        self._canaries: dict[int, Figure] = {}

    def measure(self, answers: Sequence[Answered], *, reign: Reign | None, end: datetime) -> list[Figure]:
        """All figures of a window that ended at an instant (UTC), with the champion in force then."""
        bars = {number: bar for number in {answered.version for answered in answers} if (bar := self._read_bar(number)) is not None}
        sample = draw_sample(answers)
        used = {answered.reply.pins.get("index", "") for answered in sample} & self._index.keys()
        return [
            *measure_scores(answers, bars=bars),
            measure_stale(answers, lambda name: self._find_stale(name, end)),
            *self._measure_index(reign, end=end, count=len(answers)),
            *grade_sample(sample, {name: self._read_index(name) for name in used}),
        ]

    def _measure_index(self, reign: Reign | None, *, end: datetime, count: int) -> list[Figure]:
        """How old the served index is, and whether canaries are found in it; one may be known where the other is not."""
        if reign is None or count == 0:
            return [Figure(name=name, value=None, count=0) for name in (INDEX_AGE, CANARY)]
        asked = {INDEX_AGE: lambda: self._measure_age(reign, end=end, count=count), CANARY: lambda: self._ask_canaries(reign)}
        figures = []
        for name, measure in asked.items():
            try:
                figures.append(measure())
            except (HeadraceError, KeyError) as error:
                reason = f"the index of version {reign.version} cannot be asked: {error}"
                figures.append(Figure(name=name, value=None, count=count, reason=reason))
        return figures

    def _measure_age(self, reign: Reign, *, end: datetime, count: int) -> Figure:
        """How long changes of documents have waited for the index that a champion pins."""
        name = read_pins(self._find_folder(reign.version) / CHAIN).index["index_version"]
        if name not in self._index:
            raise CandidateError(f"its index version {name} is not recorded")
        return measure_index_age(self._list_changes(after=self._index[name].as_of, until=end), end=end, count=count)

    def _ask_canaries(self, reign: Reign) -> Figure:
        """Whether the index that a champion pins still finds what it found; asked once, since a version of an index stays as it is."""
        if reign.version not in self._canaries:
            folder = self._find_folder(reign.version)
            metadata = read_candidate(folder)
            canaries = self._list_canaries(as_of=metadata.as_of, since=metadata.holdout_start)
            self._canaries[reign.version] = measure_canaries(load_chain(self._settings, self._case, folder).retriever, canaries)
        return self._canaries[reign.version]

    def _find_folder(self, number: int) -> Path:
        return versions.candidate_folder(self._settings, versions.read(self._settings, self._case, number=number))

    def _read_bar(self, number: int) -> float | None:
        """Confidence under which a version declines; None where its folder cannot be read."""
        try:
            return parse_confidence(read_pins(self._find_folder(number) / CHAIN).confidence).decline_below
        except HeadraceError:
            return None

    def _find_stale(self, name: str, end: datetime) -> set[str] | None:
        """Sections of an index version that read otherwise, or are gone, at an instant (UTC); None where no such version is recorded."""
        version = self._index.get(name)
        if version is None:
            return None
        # Mostly nothing has changed, which the manifest says without any text.
        if read_current_versions(self._settings, self._case, version.as_of).equals(read_current_versions(self._settings, self._case, end)):
            return set()
        return find_changed(self._read_index(name), self._read_corpus(end))

    def _list_changes(self, *, after: datetime, until: datetime) -> list[datetime]:
        """Instants (UTC) at which a document came, changed or went, in `after < instant <= until`."""
        manifest = tables.read(self._settings, self._case.silver_table(VERSIONS)).select("known_at")
        return manifest.filter((pl.col("known_at") > after) & (pl.col("known_at") <= until)).collect()["known_at"].to_list()

    def _list_canaries(self, *, as_of: datetime, since: datetime) -> pl.DataFrame:
        """`question`, `section_id`: the first of the questions on which the champion was judged, by their ids."""
        label = self._case.label.name
        rows = scoring.read_labelled_rows(self._settings, self._case, as_of=as_of).filter(pl.col("prediction_at") >= since)
        known = rows.drop_nulls(label).filter(pl.col(label) != NO_SECTION).sort(*self._case.features.key)
        return known.select(QUESTION, pl.col(label).alias("section_id")).head(CANARIES)

    def _read_index(self, name: str) -> Mapping[str, str]:
        """Text of each section of the corpus that an index version was made of; kept, since windows share few versions."""
        if name not in self._sections:
            self._sections[name] = self._read_corpus(self._index[name].as_of)
        return self._sections[name]

    def _read_corpus(self, at: datetime) -> Mapping[str, str]:
        """Text of each section that is there at an instant (UTC)."""
        return dict(read_sections(self._settings, self._case, at).select("section_id", "text").iter_rows())
