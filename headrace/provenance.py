"""Which code, which packages, which Python: what a model version needs to be rebuilt and a run to be explained."""

import hashlib
import platform
import subprocess
from functools import lru_cache
from importlib import metadata

from headrace.settings import ROOT

# The packages whose versions can change a model or a figure; the whole set is in `constraints.txt`.
PACKAGES = (
    "lightgbm",
    "polars",
    "numpy",
    "deltalake",
    "scikit-learn",
    "optuna",
    "mlflow",
    "great-expectations",
    "evidently",
    "prefect",
    "pandas",
    "pyarrow",
)

# What a chain answers with, beside them.
CHAIN_PACKAGES = ("lancedb", "onnxruntime", "tokenizers")

_CODE_FOLDERS = ("headrace", "flows", "tasks", "use_cases", "data_contracts")


@lru_cache(maxsize=1)
def read_commit() -> str:
    """The commit of the clone, with `-dirty` where tracked files differ from it; `unknown` outside a clone."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607 - git is found on PATH
    if found.returncode:
        return "unknown"
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607 - git is found on PATH
    return found.stdout.strip() + ("-dirty" if changed.returncode else "")


@lru_cache(maxsize=1)
def read_code_hash() -> str:
    """Hash of the code and contracts as they lie on disk, so that two edits on one commit are told apart."""
    digest = hashlib.sha256()
    paths = [path for folder in _CODE_FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".yaml")]
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@lru_cache(maxsize=2)
def read_packages(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Installed version of each package, and of Python."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
