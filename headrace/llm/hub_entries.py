"""What the model hub lists: one YAML per model, tokenizer or corpus under `model_hub/`, and the policy of licences beside them.

An entry says where the files come from, which bytes were examined, under which licence, and what was measured. Nothing is
fetched here: `headrace.llm.hub` does that.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from headrace.errors import ModelError
from headrace.settings import ROOT
from headrace.strict_yaml import format_findings, read_strictly

HUB = ROOT / "model_hub"

# The one file of the folder that is no entry.
POLICY = "policy"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(_Strict):
    """Which licences a model or corpus may have here. What is not listed is refused: an unread licence binds as well as a read one."""

    allowed_licences: tuple[str, ...] = Field(min_length=1, description="SPDX ids.")


class WheelSource(_Strict):
    """A wheel of the Python package index; it is taken apart, never installed or imported."""

    type: Literal["wheel"]
    package: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*$", description="`name==version`.")


class DebianSource(_Strict):
    """A package of Debian; it is unpacked, never installed. Its version is not pinned, because mirrors keep the newest only: the hash is."""

    type: Literal["debian"]
    package: str = Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$", description="Name of the binary package.")


class Part(_Strict):
    """A file of an entry, or a folder of files."""

    path: str = Field(description="Where it lies in the package.")
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="Of the file's bytes; of a folder: of the lines `<sha256>  <path>` of its files, as sha256sum prints them, ordered by the bytes "
        "of their paths.",
    )
    byte_count: int = Field(ge=1, description="Its size; of a folder, that of all its files.")
    file_count: int | None = Field(default=None, ge=1, description="Number of files of a folder; left out for a file.")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise ValueError(f"{value!r} is no path below the package's root")
        return value

    @property
    def name(self) -> str:
        """Its name once it is taken out."""
        return PurePosixPath(self.path).name


class Figure(_Strict):
    """One measured figure of an evaluation card."""

    measure: str = Field(min_length=1, description="What was measured, with its unit: `nDCG@10`, `tokens per CPU-second`.")
    value: float = Field(description="What came out.")
    measured_on: str = Field(min_length=1, description="Data, machine, and how many of them.")
    source: str = Field(min_length=1, description="Who measured it, or the command that shows it.")


class Entry(_Strict):
    """One model, tokenizer, corpus or set of labels. Every field is required: an unsaid licence or hash is not one."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*([.-][a-z0-9]+)*$", description="Also the file's name.")
    kind: Literal["generator", "embedder", "reranker", "classifier", "tokenizer", "corpus", "labels"] = Field(description="What it is used as.")
    licence: str = Field(min_length=1, description="SPDX id of the files' licence; the package that carries them may have another.")
    description: str = Field(min_length=1, description="What it is and can do, in a sentence or two.")
    source: Annotated[WheelSource | DebianSource, Field(discriminator="type")] = Field(description="The package that carries the files.")
    files: tuple[Part, ...] = Field(min_length=1, description="What is taken out of the package, and what it must be.")
    card: tuple[Figure, ...] = Field(description="What was measured of it; an empty list where nothing was.")
    provenance: tuple[str, ...] = Field(min_length=1, description="Who made it, who packed it, and what to be careful about, one sentence each.")

    @property
    def byte_count(self) -> int:
        """Size of all its files."""
        return sum(part.byte_count for part in self.files)


def list_names(folder: Path = HUB) -> list[str]:
    """Names of all entries, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml") if path.stem != POLICY)


def load_policy(folder: Path = HUB) -> Policy:
    """The policy of licences.

    Raises:
        ModelError: It is missing or wrong.
    """
    return Policy.model_validate(_read(folder / f"{POLICY}.yaml", Policy))


def load_entry(name: str, folder: Path = HUB) -> Entry:
    """One entry, whatever its licence.

    Raises:
        ModelError: There is no such entry, or its file is incomplete, wrong or named after another one.
    """
    if name not in list_names(folder):
        raise ModelError(f"{name!r} has no {HUB.name}/{name}.yaml; known: {', '.join(list_names(folder))}. Use one of them, or write its entry")
    entry = Entry.model_validate(_read(folder / f"{name}.yaml", Entry))
    if entry.name != name:
        raise ModelError(f"{HUB.name}/{name}.yaml describes {entry.name}; name the file {entry.name}.yaml")
    return entry


def check_licence(entry: Entry, policy: Policy) -> None:
    """Refuse an entry whose licence the policy does not allow.

    Raises:
        ModelError: It does not.
    """
    if entry.licence not in policy.allowed_licences:
        raise ModelError(
            f"{entry.name} has the licence {entry.licence}, and {HUB.name}/{POLICY}.yaml allows only {', '.join(policy.allowed_licences)}; "
            "use another model, or have that licence read and added there"
        )


def _read(path: Path, model: type[BaseModel]) -> Mapping[str, Any]:
    """The content of a file that fits its model.

    Raises:
        ModelError: It is missing, no YAML, or does not fit.
    """
    where = f"{HUB.name}/{path.name}"
    try:
        values = read_strictly(path.read_text(encoding="utf-8"))
        model.model_validate(values)
    except FileNotFoundError as error:
        raise ModelError(f"{where} is missing; write it, or take it back from version control") from error
    except yaml.YAMLError as error:
        raise ModelError(f"{where} is not YAML: {error}") from error
    except ValidationError as error:
        raise ModelError(f"{where} is incomplete or wrong: {format_findings(error)}") from error
    return values
