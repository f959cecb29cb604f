"""Fit the classifier of prompt injection: `python -m benchmarks.guardrails.train` writes its weights.

Attacks are the jailbreaks of Shen 2024; harmless are docstrings of installed packages, questions made of them, programming tasks, questions to
a bank and statements about the world. Nothing that `make bench-guardrails` measures on is among them, and an attack there that shares
long runs of words with one here is left out there. No text is kept: the file holds one number per dimension.
"""

import json
import random
import re
import sys
from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.guardrails.public_sets import PublicSets, list_docstrings
from headrace.llm.embedding import load_embedder
from headrace.llm.guardrails.prompt_injection import WEIGHTS
from headrace.settings import load_settings

SEED = 7

# Regularisation as scikit-learn has it by default: with ten times less, harmful wishes that are no attacks score higher.
INVERSE_REGULARISATION = 1.0

_OPENINGS = ("How do I", "How can I", "What is the way to", "Can you tell me how to", "Is there a function to")


def main() -> int:
    """Fit and write."""
    settings = load_settings("dev")
    sets, embedder = PublicSets(settings.models / "public_sets"), load_embedder(settings)
    attacks, harmless = sets.read_wild_jailbreaks(), list_harmless(sets)
    embeddings = embedder.embed([*attacks, *harmless])
    labels = np.r_[np.ones(len(attacks)), np.zeros(len(harmless))]
    model = LogisticRegression(C=INVERSE_REGULARISATION, class_weight="balanced", max_iter=2_000).fit(embeddings, labels)
    content = {
        "embedder": embedder.version,
        "attacks": len(attacks),
        "harmless": len(harmless),
        "intercept": round(float(model.intercept_[0]), 4),
        # Four digits move no probability by more than 0.001.
        "weights": [round(float(weight), 4) for weight in model.coef_[0]],
    }
    WEIGHTS.write_text(_format(content), encoding="utf-8")
    sys.stdout.write(f"{WEIGHTS.name}: {len(attacks)} attacks, {len(harmless)} harmless texts\n")
    return 0


def list_harmless(sets: PublicSets) -> list[str]:
    """Harmless texts of five sorts."""
    draw = random.Random(SEED)
    docstrings = list(list_docstrings("pandas", "sklearn", "scipy"))
    draw.shuffle(docstrings)
    questions = [_ask(text, draw) for text in docstrings[400:1_000]]
    return [*docstrings[:400], *questions, *sets.read_programming_tasks(), *sets.read_personal_templates(), *draw.sample(sets.read_claims(), 200)]


def _ask(docstring: str, draw: random.Random) -> str:
    """A question whose answer is the function that the docstring describes."""
    first = re.split(r"(?<=[.])\s", docstring)[0].replace("\n", " ")[:200].rstrip(".")
    return f"{draw.choice(_OPENINGS)} {first[:1].lower()}{first[1:]}?"


def _format(content: Mapping[str, object]) -> str:
    """JSON with twelve numbers a line, so that a change can be read."""
    text = json.dumps(content, indent=1)
    numbers = text.partition('"weights": [')[2].partition("]")[0].split(",")
    lines = [", ".join(number.strip() for number in numbers[start : start + 12]) for start in range(0, len(numbers), 12)]
    return text.partition('"weights": [')[0] + '"weights": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


if __name__ == "__main__":
    sys.exit(main())
