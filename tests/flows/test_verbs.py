"""The verbs as a person types them: exit codes and sentences, never a traceback."""

import os
import subprocess
import sys

import pytest

from flows.__main__ import main
from headrace.settings import ROOT


def run_verb(home, *arguments, **variables):
    environment = {**os.environ, "HEADRACE_ENV": "dev", "HEADRACE_HOME": str(home), **variables}
    return subprocess.run(
        [sys.executable, "-m", "flows", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "sentence"),
    [
        pytest.param(["train", "--use-case", "fligt_delay"], {}, 11, "known: docs_assistant, flight_delay", id="unknown use case"),
        pytest.param(["train", "--use-case", "../etc"], {}, 11, "known: docs_assistant, flight_delay", id="a path is no use case"),
        pytest.param(["train", "--use-case", "flight_delay"], {"HEADRACE_ENV": "prd"}, 10, "known: dev, prod, staging", id="unknown environment"),
        pytest.param(["train", "--use-case", "flight_delay"], {"HEADRACE_THREDS": "1"}, 10, "HEADRACE_THREADS", id="misspelt override"),
        pytest.param(["train", "--use-case", "flight_delay", "--as-of", "July"], {}, 2, "2013-07-01", id="no instant"),
        pytest.param(["llm_index", "--use-case", "flight_delay"], {}, 11, "flight_delay is no assistant", id="an index of no documents"),
        pytest.param(["llm_evaluate", "--use-case", "docs_assistant", "--limit", "-1"], {}, 2, "write 20, or 0 for all", id="no count"),
        pytest.param(
            ["approve", "--use-case", "flight_delay", "--version", "7", "--by", "ada", "--reason", "good"],
            {},
            18,
            "registry of dev",
            id="no such version",
        ),
    ],
)
def test_a_mistake_ends_in_a_sentence_and_its_own_exit_code(tmp_path, arguments, variables, code, sentence):
    finished = run_verb(tmp_path, *arguments, **variables)
    assert finished.returncode == code, finished.stderr
    assert sentence in finished.stderr
    assert "Traceback" not in finished.stderr


def test_what_is_no_name_of_a_prompt_is_wrong_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["llm_evaluate", "--use-case", "docs_assistant", "--prompt", "../answer"])
    assert "'../answer' is no name of a prompt; write that of a file in" in capsys.readouterr().err


def test_a_blocked_verb_leaves_with_3_and_says_why(tmp_path):
    finished = run_verb(tmp_path, "promote", "--use-case", "flight_delay", "--as-of", "2013-04-01")
    assert finished.returncode == 3, finished.stdout + finished.stderr
    assert "no version waits as challenger" in finished.stdout


@pytest.mark.long
def test_a_mistake_that_a_flow_finds_is_a_sentence_too(tmp_path):
    finished = run_verb(tmp_path, "ingest", "--use-case", "docs_assistant", HEADRACE_DOCUMENTS_ROOT=str(tmp_path / "nowhere"))
    assert finished.returncode == 13, finished.stdout + finished.stderr
    # Prefect's own line says which task it was; the sentence is the last.
    *said, last = finished.stderr.splitlines()
    assert last.endswith("nowhere does not exist; give DOCS= the folder that holds them")
    assert len(said) <= 1
    assert "Traceback" not in finished.stdout + finished.stderr
