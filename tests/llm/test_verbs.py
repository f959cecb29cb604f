"""The verbs `models`, `review` and `traces` as a newcomer types them: a sentence and an exit code, and nothing made up."""

from pathlib import Path

import pytest

from headrace.llm.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        pytest.param(["models", "--fetch", "nothing"], 25, "has no model_hub/nothing.yaml; known: all-minilm-l6-v2", id="unknown model"),
        pytest.param(["review", "--use-case", "flight_delay"], 11, "flight_delay is no assistant", id="feedback about no assistant"),
        pytest.param(["traces", "--use-case", "flight_delay"], 11, "flight_delay is no assistant", id="traces of no assistant"),
        pytest.param(["traces", "--use-case", "doc_assistant"], 11, "known: docs_assistant, flight_delay", id="unknown use case"),
        pytest.param(["review", "--use-case", "docs_assistant", "--decision", "accept"], 28, "without FEEDBACK=", id="a decision about nothing"),
        pytest.param(
            ["review", "--use-case", "docs_assistant", "--feedback", "x", "--decision", "accept", "--by", "a", "--reason", "b"],
            28,
            "there is no feedback 'x' about docs_assistant in dev; make review lists what waits",
            id="unknown feedback",
        ),
    ],
)
def test_a_mistake_ends_in_a_sentence_and_its_own_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    assert main(arguments) == code
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.out == ""


def test_in_an_empty_home_nothing_waits_and_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    assert main(["review", "--use-case", "docs_assistant"]) == 0
    assert capsys.readouterr().out == "no feedback about docs_assistant waits in dev\n"
