"""Settings of one environment: one YAML, then what this machine says (`<home>/<env>/local.yaml`), then `HEADRACE_*`; frozen once read.

The environment belongs to the process (`HEADRACE_ENV`), never to a flow's parameters. Unknown keys, environments and
overrides are refused with the list of what exists, because a misspelt setting that is silently ignored is a wrong run.
"""

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from headrace.errors import AccessError, SettingsError
from headrace.llm.model_settings import LanguageModel, check_models
from headrace.secrets import resolve_secret

ROOT = Path(__file__).resolve().parents[1]
OVERRIDE_PREFIX = "HEADRACE_"

# What holds on this machine and for every process of the environment: ports, an external database, where notifications go.
LOCAL_FILE = "local.yaml"

# Where a lake lies that is no local folder.
REMOTE_SCHEME = "s3://"
_REMOTE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*")

# The keys of `storage`, by the names that S3 clients share.
STORAGE_KEYS = ("aws_access_key_id", "aws_allow_http", "aws_endpoint_url", "aws_region", "aws_secret_access_key", "aws_session_token")

# Fields whose values are shown nowhere, because they may be secrets.
_HIDDEN = ("tracking_uri", "database_uri", "notify_uri", "storage", "language_models")

# They belong to the process and are no fields of a YAML file; `HEADRACE_KEYS` is the folder of the key that signs records of checks.
PROCESS_VARIABLES = ("HEADRACE_ENV", "HEADRACE_HOME", "HEADRACE_KEYS")

_WITHIN: ContextVar["Settings | None"] = ContextVar("headrace_within", default=None)


class Settings(BaseModel):
    """All that differs by environment. Every field is documented in `docs/reference/settings.md`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str = Field(description="Name of the environment; the name of its YAML file.")
    home: Path = Field(description="Absolute folder of all state; each environment has a folder of its own in it.")
    looks_at: str | None = Field(
        default=None,
        description="Environment, one of `readable`, whose tables this process looks at in place of its own; it then writes none. Set by `OF=` only.",
    )
    description: str = Field(description="What this environment is for, in one sentence.")
    clock: Literal["wall", "replay"] = Field(
        description="`wall`: a run without `as_of` takes the current UTC instant. "
        "`replay`: it takes the next tick that the use case declares, missed ticks in order."
    )
    approval: Literal["automatic", "required"] = Field(
        description="`automatic`: a challenger that passed the gates is promoted. "
        "`required`: a person must also approve that version on the evidence that the gates found, or promotion waits."
    )
    readable: Mapping[str, str | None] = Field(
        description="Other environments whose tables may be read (never written), each with the root of its lake: a folder or "
        "`s3://bucket/prefix`, read with this environment's own `storage`. Null means beside this environment's own, under `home`."
    )
    lake_uri: str | None = Field(
        default=None,
        description="Where this environment's tables lie: `s3://bucket/prefix`, on a storage that honours conditional puts. Null: the folder "
        "`lake` of the environment.",
    )
    storage: Mapping[str, str] = Field(
        default={},
        repr=False,  # it holds a key
        description="How lakes on S3 are reached: `aws_endpoint_url`, `aws_region`, `aws_access_key_id`, `aws_secret_access_key`, "
        "`aws_session_token`, `aws_allow_http`. Each value may be a secret reference. What is left out is looked for as AWS tools do.",
    )
    tracking_uri: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="MLflow tracking and registry address: a URI, or a secret reference (`env:NAME`, `file:/path` with "
        "mode 0600) to one. Null: SQLite in the environment's own folder.",
    )
    database: Literal["sqlite", "postgres"] = Field(
        description="Where Prefect and MLflow keep their state. `sqlite`: files in the environment's own folder, no server needed. "
        "`postgres`: a PostgreSQL, with a Prefect and an MLflow server in front of it; every verb then needs `make up` first."
    )
    database_uri: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="An external PostgreSQL, `postgresql://user:password@host:port`, or a secret reference to one; its databases "
        "`<env>_prefect`, `<env>_mlflow` and `<env>_mlflow_auth` are created where missing. Null: a private cluster in the environment's folder.",
    )
    postgres_port: int = Field(ge=1, le=65535, description="Loopback port of the private PostgreSQL cluster.")
    prefect_port: int = Field(ge=1, le=65535, description="Loopback port of the Prefect server.")
    mlflow_port: int = Field(ge=1, le=65535, description="Loopback port of the MLflow server.")
    deploy_from: str | None = Field(
        description="Branch from which this environment is deployed (`main`, `release/*`), with a clean tree and a signed record of passed "
        "checks. Null: any commit, checked or not."
    )
    schedules: Mapping[str, str | None] = Field(
        description="Flow to cron expression (UTC) of its deployment; null: no schedule. What an event starts is started by its schedule too, "
        "should the event be lost."
    )
    reads_from: str | None = Field(
        description="Environment whose bronze tables stand in for the source: `ingest` then takes what that one has ingested. "
        "Null: the source itself."
    )
    landing_root: Path | None = Field(
        default=None,
        description="Absolute folder that holds the landing folders of use cases, `<landing_root>/<use case>/<feed>/*.csv`. Null: `landing` in the "
        "clone; deployed runs take that of the clone in which `make deploy` was typed.",
    )
    models_root: Path | None = Field(
        default=None,
        description="Absolute folder of the models, tokenizers and reference corpora that `model_hub` lists, fetched once for all environments. "
        "Null: `models` under `home`.",
    )
    documents_root: Path | None = Field(
        default=None,
        description="Absolute folder of documents that an assistant answers questions about, in place of those that its use case names; `DOCS=` of "
        "a verb sets it. Null: the use case's own.",
    )
    documents_licence: str | None = Field(
        default=None, description="SPDX id of the licence of the documents in `documents_root`. Null: not declared, which the quality page counts."
    )
    subset: bool = Field(description="Whether the use case runs on the slice of its data, and with the bars, that it declares as its subset.")
    approval_expires_hours: float = Field(gt=0, description="Time after which an approval that promoted nothing counts no more.")
    notify_uri: str | None = Field(
        default=None,
        repr=False,  # it may hold a token
        description="Address that receives a POST when a run failed, is blocked, late or waits for a person; or a secret reference to it. "
        "Null: nobody is told.",
    )
    language_models: Mapping[str, LanguageModel] = Field(
        default={}, description="Language models that may be called: alias -> where it is and what it costs; keys as below."
    )
    seed: int = Field(description="Seed of every sampling, search and fit.")
    threads: int = Field(ge=1, description="Threads of one model fit; the processor's physical cores at most.")
    served_use_case: str | None = Field(
        default=None,
        description="The use case that the model server of `make up` answers for. Null: the only one that is deployed; with several, "
        "`make deploy` asks which.",
    )
    serving_host: str = Field(description="Address the model server binds to; loopback unless something guards it.")
    serving_port: int = Field(ge=1, le=65535, description="Port of the model server.")
    serving_words: Literal["never", "on_request", "always"] = Field(
        description="Whether an assistant is served in a model's words: `never` (by quotation, fast), `on_request`, or `always` unless told not to."
    )
    serving_words_timeout_s: float = Field(gt=0, description="Seconds for a served answer's words, and between two of them; then it is quoted.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(description="Least level of a line that is logged.")

    @field_validator("lake_uri")
    @classmethod
    def _is_a_bucket(cls, value: str | None) -> str | None:
        if value is not None:
            _check_bucket(value)
        return value

    @field_validator("language_models")
    @classmethod
    def _are_called_by_aliases(cls, value: Mapping[str, LanguageModel]) -> Mapping[str, LanguageModel]:
        check_models(value)
        return value

    @field_validator("landing_root", "models_root", "documents_root")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise ValueError(f"{value} is no absolute folder, and a process may start anywhere; write it from the root")
        return value

    @field_validator("readable")
    @classmethod
    def _are_lakes(cls, value: Mapping[str, str | None]) -> Mapping[str, str | None]:
        for root in value.values():
            if root is not None and "://" in root:
                _check_bucket(root)
        return value

    @field_validator("storage", mode="before")
    @classmethod
    def _has_known_keys(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        unknown = sorted(set(map(str, value)) - set(STORAGE_KEYS))
        if unknown:
            raise ValueError(f"unknown keys {', '.join(unknown)}; known: {', '.join(STORAGE_KEYS)}")
        # YAML's true is the storage's "true".
        return {name: str(option).lower() if isinstance(option, bool) else option for name, option in value.items()}

    @model_validator(mode="after")
    def _writes_no_lake_that_it_only_reads(self) -> "Settings":
        own = _resolve(self.lake)
        for name in self.readable:
            other = _resolve(self.find_lake(name))
            if own.startswith(other) or other.startswith(own):
                raise ValueError(f"this environment's own lake and that of {name}, which it only reads, lie in one place: {self.lake}")
        return self

    @property
    def landing(self) -> Path:
        """The folder that holds the landing folders of use cases."""
        return self.landing_root or ROOT / "landing"

    @property
    def models(self) -> Path:
        """The folder of what `model_hub` lists, once it is fetched."""
        return self.models_root or self.home / "models"

    @property
    def environment_home(self) -> Path:
        """The folder of everything that this environment stores."""
        return self.home / self.environment

    def find_folder(self, *parts: str) -> Path:
        """A folder of this environment's own state, by its parts under `environment_home`.

        Raises:
            AccessError: The parts lead out of that folder.
        """
        folder = self.environment_home.joinpath(*parts)
        if ".." in folder.parts or "\0" in str(folder) or not folder.is_relative_to(self.environment_home):
            raise AccessError(f"{'/'.join(parts)!r} leads out of {self.environment_home}: an environment writes in its own folder only")
        return folder

    @property
    def seen(self) -> str:
        """The environment whose tables are read where none is named."""
        return self.looks_at or self.environment

    @property
    def pages_root(self) -> Path:
        """The folder of the pages that the console writes: about another environment, in a folder of that name."""
        return self.environment_home / f"of_{self.looks_at}" if self.looks_at else self.environment_home

    @property
    def lake_root(self) -> Path:
        """The local folder of this environment's tables, one folder per layer in it; unused where `lake_uri` names another place."""
        return self.environment_home / "lake"

    @property
    def lake(self) -> str:
        """Where this environment's tables lie: a folder or a URI, without a slash at its end."""
        return self.lake_uri or str(self.lake_root)

    def find_lake(self, environment: str) -> str:
        """Where the tables of an environment lie that this one reads.

        Raises:
            KeyError: `readable` does not list it.
        """
        root = self.readable[environment]
        return str(self.home / environment / "lake") if root is None else root.rstrip("/")

    @property
    def serving_root(self) -> Path:
        """The folder of the model server's own state: the inference log."""
        return self.environment_home / "serving"

    @property
    def online_root(self) -> Path:
        """The folder of the online feature store."""
        return self.environment_home / "online"

    @property
    def registry_uri(self) -> str:
        """Where MLflow tracks and registers, with a secret reference resolved."""
        if self.tracking_uri is not None:
            return resolve_secret(self.tracking_uri)
        if self.database == "postgres":
            return f"http://127.0.0.1:{self.mlflow_port}"
        return f"sqlite:///{self.environment_home / 'registry' / 'mlflow.db'}"


def _check_bucket(uri: str) -> None:
    if not _REMOTE.fullmatch(uri):
        raise ValueError("expected s3://bucket/prefix, of plain characters and without a slash at its end")


def _resolve(lake: str) -> str:
    """A lake as text that is the beginning of all that lies in it, whatever way leads there."""
    return (lake if lake.startswith(REMOTE_SCHEME) else os.path.realpath(lake)) + "/"


def environments() -> list[str]:
    """Names of the environments that have a YAML file, sorted."""
    return sorted(path.stem for path in (ROOT / "environments").glob("*.yaml"))


def read_declared(environment: str) -> dict[str, Any]:
    """What an environment's YAML in the clone says; not what its machine or a variable changes.

    Raises:
        SettingsError: There is no such environment, or its file is no YAML.
    """
    if environment not in environments():
        raise SettingsError(
            f"environment {environment!r} has no environments/{environment}.yaml; known: {', '.join(environments())}. Set ENV to one of them."
        )
    return _read_yaml(ROOT / "environments" / f"{environment}.yaml")


@contextmanager
def within(settings: Settings) -> Generator[None]:
    """Let `load_settings()` answer with these settings for the length of a block, in this thread.

    Flows ask for their environment themselves, and it is no parameter of theirs. This is the one way to run them elsewhere: in the
    scratch environment of `verify_environment`. A call that names an environment, a home or variables is not affected.
    """
    token = _WITHIN.set(settings)
    try:
        yield
    finally:
        _WITHIN.reset(token)


def load_settings(environment: str | None = None, *, home: Path | None = None, variables: Mapping[str, str] | None = None) -> Settings:
    """Read one environment's YAML and apply the overrides; inside `within`, the settings given there.

    Args:
        environment: Name; left out, `HEADRACE_ENV`.
        home: Folder of all state; left out, `HEADRACE_HOME`, else `.headrace` in the clone.
        variables: The process environment, `os.environ` when left out.

    Raises:
        SettingsError: No environment is named, it has no file, or a key, value or override is wrong.
    """
    inner = _WITHIN.get()
    if inner is not None and environment is None and home is None and variables is None:
        return inner
    variables = os.environ if variables is None else variables
    name = environment or variables.get("HEADRACE_ENV")
    if not name:
        raise SettingsError(f"no environment is named; set ENV (or HEADRACE_ENV) to one of: {', '.join(environments())}")
    values = read_declared(name)
    state = (home or Path(variables.get("HEADRACE_HOME") or ROOT / ".headrace")).absolute()
    local = state / name / LOCAL_FILE
    values |= _read_yaml(local) if local.is_file() else {}
    values |= _read_overrides(variables)
    values |= {"environment": name, "home": state, "looks_at": None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(f"environments/{name}.yaml, {name}/{LOCAL_FILE} and HEADRACE_* overrides: {_explain(error)}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.parent.name}/{path.name} is not YAML: {_problem(error)}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path.parent.name}/{path.name} holds {type(values).__name__}, expected keys and values")
    return values


def _read_overrides(variables: Mapping[str, str]) -> dict[str, Any]:
    """`HEADRACE_THREADS=1` as `{"threads": 1}`; values are read as YAML, so numbers and null are themselves."""
    overrides: dict[str, Any] = {}
    allowed = sorted(set(Settings.model_fields) - {"environment", "home", "looks_at"})
    for variable, text in variables.items():
        if not variable.startswith(OVERRIDE_PREFIX) or variable in PROCESS_VARIABLES:
            continue
        field = variable.removeprefix(OVERRIDE_PREFIX).lower()
        if field not in allowed:
            known = ", ".join([*PROCESS_VARIABLES, *(OVERRIDE_PREFIX + name.upper() for name in allowed)])
            raise SettingsError(f"override {variable} names no setting; known: {known}. Unset it or correct its name.")
        try:
            overrides[field] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"override {variable} cannot be read as a value: {_problem(error)}; put it in quotes") from None
    return overrides


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the text itself: PyYAML's own message and the chained error quote it, secret or not."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it holds a character that YAML does not allow"
    return f"{error.problem}, line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"


def _explain(error: ValidationError) -> str:
    """Pydantic's findings as sentences, with the keys that exist when one is unknown."""
    sentences = []
    for finding in error.errors():
        key = ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "extra_forbidden":
            known = ", ".join(sorted(Settings.model_fields)) if "." not in key else "see docs/reference/settings.md"
            sentences.append(f"unknown key {key!r}; known: {known}")
        elif finding["type"] == "missing":
            # Its input would be all settings, whatever they hold.
            sentences.append(f"{key}: is missing")
        else:
            is_hidden = not key or key.partition(".")[0] in _HIDDEN
            came = "" if is_hidden else f", got {finding.get('input')!r}"
            said = finding["msg"].removeprefix("Value error, ")
            sentences.append(f"{key or 'together'}: {said[:1].lower()}{said[1:]}{came}")
    return "; ".join(sentences)
