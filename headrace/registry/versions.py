"""Model versions in the MLflow registry: registered once, found again, described, aliased.

A version holds data files only (LightGBM text, JSON, Markdown, Parquet). Its MLflow model names a loader in this
repository (`headrace.registry.pyfunc`), so loading one runs no code that came with it. The registry is a projection:
`headrace.registry.history` holds the rows that say who is champion.
"""

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import RegistryError
from headrace.lake import catalog
from headrace.registry.client import is_unborn, open_registry
from headrace.settings import Settings
from headrace.use_case import UseCase

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

logger = logging.getLogger(__name__)

CHALLENGER, CHAMPION, PREVIOUS_CHAMPION = "challenger", "champion", "previous_champion"

# Folder of the candidate's files inside the MLflow model, beside MLflow's own.
CANDIDATE_FOLDER = "candidate"

_MODELS = "models:/"

# An experiment of this name is created, or brought back, and deleted to see whether the registry takes what training writes.
PROBE = "headrace.probe"

# How MLflow says "there is no such alias" and "there is no such model"; every other error means that it cannot tell.
_ABSENT = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered version.

    Attributes:
        name: Registered model, `<environment>.<use_case>`.
        number: Its number in the registry, from 1.
        model_id: Hash of everything that made it; the same inputs give the same id.
        tags: All its tags.
        source: Where MLflow keeps its files.
    """

    name: str
    number: int
    model_id: str
    tags: Mapping[str, str]
    source: str


def model_name(settings: Settings, case: UseCase) -> str:
    """`<environment>.<use_case>`, the name of the registered model."""
    return f"{settings.environment}.{case.name}"


def find(settings: Settings, case: UseCase, *, model_id: str) -> Version | None:
    """The version that was registered for a model id, or None."""
    name = model_name(settings, case)
    if is_unborn(settings):
        return None
    with open_registry(settings) as client:
        found = client.search_model_versions(f"name = '{name}' and tags.model_id = '{model_id}'")
    return _build_version(found[0]) if found else None


def read(settings: Settings, case: UseCase, *, number: int) -> Version:
    """One version.

    Raises:
        RegistryError: It does not exist, or the registry cannot be reached.
    """
    with open_registry(settings) as client:
        return _build_version(client.get_model_version(model_name(settings, case), str(number)))


def read_alias(settings: Settings, case: UseCase, *, alias: str) -> Version | None:
    """The version an alias points at, or None when the registry says that there is none.

    Raises:
        RegistryError: The registry cannot be reached, so nobody can tell.
    """
    from mlflow.exceptions import MlflowException

    if is_unborn(settings):
        return None
    with open_registry(settings) as client:
        try:
            return _build_version(client.get_model_version_by_alias(model_name(settings, case), alias))
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise


def register(
    settings: Settings,
    case: UseCase,
    folder: Path,
    *,
    model_id: str,
    signature: "ModelSignature",
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    tables: Mapping[str, int],
    requirements: Sequence[str],
) -> Version:
    """Log a candidate's folder as an MLflow model and register it, unless its `model_id` is registered already.

    Args:
        settings: The environment whose registry is written.
        case: The use case.
        folder: The candidate's files; nothing but data.
        model_id: Hash of everything that made the candidate.
        signature: Inputs and outputs of the model.
        params: Parameters of the run.
        metrics: Metrics of the run, `<split>/<metric>_<unit>`.
        tags: Tags of run and version.
        tables: Table name -> Delta version that the candidate was built from.
        requirements: Packages that a process needs to load it, pinned.
    """
    found = find(settings, case, model_id=model_id)
    if found is not None:
        logger.info("found %s version=%d model_id=%s", found.name, found.number, model_id)
        return found
    name = model_name(settings, case)
    with open_registry(settings) as client:
        run_id, source = _log_run(
            settings,
            client,
            folder,
            name=name,
            model_id=model_id,
            signature=signature,
            params=params,
            metrics=metrics,
            tags=tags,
            tables=tables,
            requirements=requirements,
        )
        _ensure_registered_model(client, name, case.title)
        # A server wants to be told which model the source belongs to; a database does not ask.
        of_model = source.removeprefix(_MODELS)
        created = client.create_model_version(name, source=source, run_id=run_id, tags={**tags, "model_id": model_id}, model_id=of_model)
    version = _build_version(created)
    logger.info("registered %s version=%d model_id=%s", name, version.number, model_id)
    return version


def set_alias(settings: Settings, case: UseCase, *, alias: str, number: int | None) -> None:
    """Point an alias at a version, or remove it when `number` is None."""
    name = model_name(settings, case)
    with open_registry(settings) as client:
        if number is None:
            client.delete_registered_model_alias(name, alias)
        else:
            client.set_registered_model_alias(name, alias, str(number))
    logger.info("moved alias %s of %s to version=%s", alias, name, number)


def describe(settings: Settings, case: UseCase, *, number: int, tags: Mapping[str, str], description: str) -> None:
    """Write tags and description on a version; writing the same again changes nothing."""
    name = model_name(settings, case)
    with open_registry(settings) as client:
        for key, value in tags.items():
            client.set_model_version_tag(name, str(number), key, value)
        client.update_model_version(name, str(number), description=description)


def candidate_folder(settings: Settings, version: Version) -> Path:
    """The local folder of a version's candidate files.

    Raises:
        RegistryError: MLflow has the version but not its files.
    """
    return _model_folder(settings, version) / "data" / CANDIDATE_FOLDER


def read_signature(settings: Settings, version: Version) -> list[str] | None:
    """Names of the inputs that a version's MLflow model declares; None when it declares no inputs or no outputs."""
    from mlflow.models import Model

    signature = Model.load(str(_model_folder(settings, version))).signature
    if signature is None or not signature.inputs or not signature.outputs:
        return None
    return [str(name) for name in signature.inputs.input_names()]


def check_writable(settings: Settings) -> bool:
    """Write an experiment to the registry and delete it again; False where nobody has written the registry's file yet.

    Raises:
        RegistryError: It cannot be reached, or refuses.
    """
    if is_unborn(settings):
        return False
    with open_registry(settings) as client:
        found = client.get_experiment_by_name(PROBE)
        experiment_id = client.create_experiment(PROBE) if found is None else str(found.experiment_id)
        # A deleted experiment keeps its name, so the same one is brought back each time.
        if found is not None and found.lifecycle_stage == "deleted":
            client.restore_experiment(experiment_id)
        client.delete_experiment(experiment_id)
    return True


def _model_folder(settings: Settings, version: Version) -> Path:
    import mlflow.artifacts

    with open_registry(settings) as client:
        # MLflow looks `models:/m-...` up in the process's default registry, whatever it is told; ours is asked for the place.
        model_id = version.source.removeprefix(_MODELS)
        location = version.source if model_id == version.source else client.get_logged_model(model_id).artifact_location
        if location.startswith(("/", "file:")):
            return Path(mlflow.artifacts.download_artifacts(location, tracking_uri=settings.registry_uri))
        # Files of a version never change, so they are fetched once; whoever comes second finds them, or throws its own away.
        folder = settings.environment_home / "run" / "models" / hashlib.sha256(location.encode()).hexdigest()[:32]
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
                fetched = Path(mlflow.artifacts.download_artifacts(location, dst_path=draft, tracking_uri=settings.registry_uri))
                try:
                    fetched.rename(folder)
                except OSError:
                    if not folder.is_dir():
                        raise
        return folder


def _log_run(
    settings: Settings,
    client: "MlflowClient",
    folder: Path,
    *,
    name: str,
    model_id: str,
    signature: "ModelSignature",
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    tables: Mapping[str, int],
    requirements: Sequence[str],
) -> tuple[str, str]:
    """One MLflow run with everything a person looks for, and the model in it. Returns run id and model URI."""
    import mlflow
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    mlflow.set_tracking_uri(settings.registry_uri)
    mlflow.set_registry_uri(settings.registry_uri)
    experiment_id = ensure_experiment(settings, client, name)
    with mlflow.start_run(
        experiment_id=experiment_id, run_name=f"{name} {tags.get('as_of', '')}".strip(), tags={**tags, "model_id": model_id}
    ) as run:
        mlflow.log_params({key: str(value) for key, value in params.items()})
        mlflow.log_metrics(dict(metrics))
        for table, version in tables.items():
            source = DeltaDatasetSource(path=catalog.readable_uri(settings, table), delta_table_version=version)
            # MLflow drops version 0 from a source in silence, so the digest says it too.
            mlflow.log_input(MetaDataset(source, name=table, digest=f"v{version}"), context="training")  # ty: ignore[abstract-class-instantiation] - MLflow's own class for a source without rows
        for page in ("card.md", "metrics.json", "explanation.json"):
            mlflow.log_artifact(str(folder / page))
        with warnings.catch_warnings():
            # The signature is declared from the contract, so there is no need to infer it from an example.
            warnings.filterwarnings("ignore", message=".*input example.*")
            model = mlflow.pyfunc.log_model(
                name="candidate",
                loader_module="headrace.registry.pyfunc",
                data_path=str(folder),
                signature=signature,
                pip_requirements=list(requirements),
            )
    return run.info.run_id, model.model_uri


def ensure_experiment(settings: Settings, client: "MlflowClient", name: str) -> str:
    """The id of an experiment of the environment, made where it is missing."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = (
        None
        if "://" in settings.registry_uri and not settings.registry_uri.startswith("sqlite")
        else str(settings.environment_home / "registry" / "artifacts")
    )
    return str(client.create_experiment(name, artifact_location=location))


def _ensure_registered_model(client: "MlflowClient", name: str, title: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=title)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _build_version(found: "ModelVersion") -> Version:
    tags = dict(found.tags)
    if "model_id" not in tags:
        raise RegistryError(
            f"version {found.version} of {found.name} has no tag model_id, so headrace did not register it; register versions by training only"
        )
    return Version(name=found.name, number=int(found.version), model_id=tags["model_id"], tags=tags, source=str(found.source))
