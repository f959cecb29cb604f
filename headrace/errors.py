"""Every error that a user can meet, with the exit code of the verb that meets it.

    HeadraceError               1
    ├── SettingsError          10   an environment, an override or a secret reference is wrong
    ├── UseCaseError           11   a use case is unknown or incomplete
    ├── ContractError          12   a data contract is missing, incomplete or changed in a way that is refused
    ├── SourceError            13   what a source delivered cannot be read, or is not what its contract says
    ├── LakeError              14   a table cannot be read or written
    │   ├── AccessError        15   a write outside one's own environment, or a read that nobody opened to it
    │   ├── SchemaError        16   a frame does not have the columns and types of its table
    │   ├── BatchError         17   a batch id was used before, with other content or a later revision
    │   └── StorageError       23   the object storage of a lake does not answer, or would lose commits
    ├── RegistryError          18   the registry cannot be reached, or does not hold what its rows say
    ├── CandidateError         19   a model version cannot be loaded or does not fit the rows it is given
    ├── ServingError           20   the online store or the inference log cannot be used
    ├── ServerError            21   a server of the environment is not up, cannot be started or does not answer
    ├── DeployError            22   a deployment is refused or failed: branch, tree, record of checks, server
    ├── BackupError            24   a backup or a restore is refused or failed: files, versions, a place that is not empty
    ├── ModelError             25   a model or corpus of the hub is unknown, refused by the policy of licences, or not what was examined
    ├── GatewayError           26   no language model answered: connection, limit, time-out, or an answer that broke off
    ├── PromptError            27   a prompt is wrong, lacks a value, or an answer is not what its schema says
    └── ReviewError            28   a decision about feedback is refused: unknown, decided already, or not complete

A gate that blocks is no error: it is a `Decision`, and the verb that ran it leaves with 3.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.llm.model_calls import ModelCall

BLOCKED_EXIT_CODE = 3


class HeadraceError(Exception):
    """A message for a person: what was expected, what came, where, and the next move."""

    exit_code = 1


class SettingsError(HeadraceError):
    """An environment, an override or a secret reference is wrong."""

    exit_code = 10


class UseCaseError(HeadraceError):
    """A use case is unknown or incomplete."""

    exit_code = 11


class ContractError(HeadraceError):
    """A data contract is missing, incomplete, or changed in a way that is refused."""

    exit_code = 12


class SourceError(HeadraceError):
    """What a source delivered cannot be read, or is not what its contract says."""

    exit_code = 13


class LakeError(HeadraceError):
    """A table cannot be read or written."""

    exit_code = 14


class AccessError(LakeError):
    """A write outside one's own environment, a read that it does not declare, or either refused by the storage itself."""

    exit_code = 15


class SchemaError(LakeError):
    """A frame does not have the columns and types of its table."""

    exit_code = 16


class BatchError(LakeError):
    """A batch id was used before, with other content or a later revision."""

    exit_code = 17


class RegistryError(HeadraceError):
    """The registry cannot be reached, or does not hold what its rows say."""

    exit_code = 18


class CandidateError(HeadraceError):
    """A model version cannot be loaded, or does not fit the rows it is given."""

    exit_code = 19


class ServingError(HeadraceError):
    """The online store or the inference log cannot be used."""

    exit_code = 20


class ServerError(HeadraceError):
    """A server of the environment is not up, cannot be started, or does not answer."""

    exit_code = 21


class DeployError(HeadraceError):
    """A deployment is refused or failed: the branch, the tree, the record of passed checks, or the server."""

    exit_code = 22


class StorageError(LakeError):
    """The object storage of a lake does not answer, has no such bucket, or would lose commits."""

    exit_code = 23


class BackupError(HeadraceError):
    """A backup or a restore is refused or failed: a file is missing or changed, or the place is not empty."""

    exit_code = 24


class ModelError(HeadraceError):
    """A model or corpus of the hub is unknown, refused by the policy of licences, cannot be fetched, or is not what was examined."""

    exit_code = 25


class GatewayError(HeadraceError):
    """No language model answered: no connection, a limit, a time-out, or an answer that broke off.

    Attributes:
        calls: The calls that were tried, for `metrics.llm_calls`; one per alias.
    """

    exit_code = 26

    def __init__(self, message: str, *, calls: "Sequence[ModelCall]" = ()) -> None:
        super().__init__(message)
        self.calls = tuple(calls)


class PromptError(HeadraceError):
    """A prompt is wrong, a variable is missing, unknown or mistyped, or an answer is not what the schema says."""

    exit_code = 27


class ReviewError(HeadraceError):
    """A decision about feedback is refused: the feedback or the section is unknown, it was decided about before, or something is missing."""

    exit_code = 28
