"""Which public functions of the library write, found in its source: whoever adds one is asked what keeps it at home."""

import ast
from dataclasses import dataclass
from functools import lru_cache

from headrace.settings import ROOT

# Attributes whose call writes to disk, to a Delta table or to the registry.
TABLE_WRITES = {"append", "merge", "replace"}
DISK_WRITES = {
    "chmod", "copytree", "fdopen", "mkdir", "mkdtemp", "mkstemp", "rmdir", "rmtree", "symlink_to", "touch", "unlink",
    "write_bytes", "write_deltalake", "write_parquet", "write_text",
}  # fmt: skip
REGISTRY_WRITES = {
    "create_experiment", "create_model_version", "create_registered_model", "delete_registered_model_alias", "set_model_version_tag",
    "set_registered_model_alias", "update_model_version",
}  # fmt: skip

# A lock is a file; elsewhere something else is called so.
LOCK = "hold"

# Parameters of type str that name a person, a reason, an id of another system or a kind, and never a place.
WORDS = {"alias", "approver", "by", "commit", "decision", "description", "evidence", "flow", "prefect_run_id", "reason", "run_id"}


@dataclass(frozen=True)
class Writer:
    """A public function that writes, by itself or through functions of its own module."""

    name: str
    places: tuple[str, ...]


@lru_cache(maxsize=1)
def list_writers() -> dict[str, Writer]:
    """`module.function` -> the writer, with its parameters that could name a place: text, paths and anything that holds them."""
    found = {}
    for path in sorted((ROOT / "headrace").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "headrace").with_suffix("").parts)
        functions = {node.name: node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}
        for name in _close(functions):
            if not name.startswith("_"):
                found[f"{module}.{name}"] = Writer(name, _list_places(functions[name]))
    return found


def _close(functions: dict[str, ast.FunctionDef]) -> set[str]:
    writing = {name for name, node in functions.items() if _writes(node)}
    while True:
        calling = {name for name, node in functions.items() if _called(node) & writing}
        if calling <= writing:
            return writing
        writing |= calling


def _writes(node: ast.FunctionDef) -> bool:
    calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)]
    of_tables = any(call.attr in TABLE_WRITES and isinstance(call.value, ast.Name) and call.value.id == "tables" for call in calls)
    names = {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    return of_tables or any(call.attr in DISK_WRITES | REGISTRY_WRITES for call in calls) or bool(names & {*DISK_WRITES, LOCK})


def _called(node: ast.FunctionDef) -> set[str]:
    return {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


def _list_places(node: ast.FunctionDef) -> tuple[str, ...]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    named = {argument.arg: ast.unparse(argument.annotation) if argument.annotation else "" for argument in arguments}
    return tuple(
        name
        for name, kind in named.items()
        if name not in WORDS and ("str" in kind or "Path" in kind) and not kind.startswith(("Mapping", "Sequence"))
    )
