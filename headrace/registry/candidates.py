"""The two families of candidates, models of rows and chains of an assistant: how one is loaded and asked, whichever it is.

This module and `candidate_building` are the only ones that know both. What comes after (comparison, approval, aliases, monitoring) sees
versions, rows and losses.
"""

from datetime import datetime
from pathlib import Path
from typing import Protocol

from headrace import provenance
from headrace.decisions import Decision
from headrace.models.candidate import FILES, Candidate, read_candidate
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Kind, Predictor
from headrace.registry.versions import Version
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase, load_in


class LoadedCandidate(Predictor, Protocol):
    """A candidate that can be asked."""

    @property
    def metadata(self) -> Candidate:
        """Its `candidate.json`."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of rows that it reads, in its own order."""
        ...

    @property
    def kind(self) -> Kind:
        """Its kind of task."""
        ...


def list_inputs(case: UseCase) -> list[str]:
    """Tables that a candidate is built from."""
    chunks = [] if load_kind(case.kind).is_fitted else [case.table("gold", case.chain_spec.chunks)]
    return [case.table("gold", "features"), *(case.table("silver", noun) for noun in case.label.inputs), *chunks]


def list_files(case: UseCase) -> tuple[str, ...]:
    """Files that a candidate's folder must have."""
    if load_kind(case.kind).is_fitted:
        return FILES
    from headrace.llm.chain_candidate import CHAIN_FILES

    return CHAIN_FILES


def read_packages(case: UseCase) -> dict[str, str]:
    """Installed version of each package that can change a candidate, and of Python."""
    chained = () if load_kind(case.kind).is_fitted else provenance.CHAIN_PACKAGES
    return provenance.read_packages((*provenance.PACKAGES, *chained))


def list_requirements(case: UseCase) -> list[str]:
    """What a process needs to load a candidate, as pinned requirements."""
    names = ("lightgbm", "polars", "numpy") if load_kind(case.kind).is_fitted else (*provenance.CHAIN_PACKAGES, "polars", "numpy")
    packages = read_packages(case)
    return [f"{name}=={packages[name]}" for name in names]


def load_candidate(settings: Settings, case: UseCase, folder: Path, *, threads: int = 1) -> LoadedCandidate:
    """Load the candidate in a folder.

    Raises:
        CandidateError: A file is missing or broken, or what it pins is not there.
    """
    if _is_model(folder):
        from headrace.models.scorer import load_scorer

        return load_scorer(folder, threads=threads)
    from headrace.llm.chain_candidate import load_chain

    return load_chain(settings, case, folder)


def load_for_readers(settings: Settings, case: UseCase, folder: Path) -> LoadedCandidate:
    """Load the candidate in a folder as a server answers by it: a chain tells nothing of documents that are deleted by now.

    Raises:
        CandidateError: As for `load_candidate`.
    """
    if _is_model(folder):
        return load_candidate(settings, case, folder)
    from headrace.llm.chain_candidate import load_chain
    from headrace.llm.deletions import leave_out_deleted

    return leave_out_deleted(settings, case, load_chain(settings, case, folder))


def load_outside(folder: Path) -> LoadedCandidate:
    """Load a candidate where only its folder is at hand, as MLflow does; a chain asks the index of the environment that `HEADRACE_ENV` names.

    Raises:
        CandidateError: As for `load_candidate`.
        SettingsError: It is a chain, and no environment is named.
    """
    if _is_model(folder):
        from headrace.models.scorer import load_scorer

        return load_scorer(folder)
    settings = load_settings()
    return load_candidate(settings, load_in(settings, read_candidate(folder).use_case), folder)


def load_rule(settings: Settings, case: UseCase, folder: Path) -> Predictor:
    """Load what stands in for a champion where there is none: the business rule of a model, the plain search of a chain.

    Raises:
        CandidateError: The file is missing or broken.
    """
    if _is_model(folder):
        from headrace.models.baseline import load_baseline

        return load_baseline(folder)
    from headrace.llm.chain_candidate import load_plain_search

    return load_plain_search(settings, case, folder)


def decide_words(settings: Settings, case: UseCase, challenger: Version, *, as_of: datetime) -> list[Decision]:
    """What a gate says to answers in a language model's words; nothing where candidates are models of rows, which say none."""
    if load_kind(case.kind).is_fitted:
        return []
    from headrace.llm.wording_promotion import decide

    return [decide(settings, case, challenger, as_of=as_of)]


def _is_model(folder: Path) -> bool:
    return load_kind(read_candidate(folder).kind).is_fitted
