"""Prompts in a real registry: a text has one version, and a version is what it was."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.errors import PromptError
from headrace.llm.prompt_templates import build_prompt
from headrace.llm.prompts import load_prompt, register_prompt
from headrace.registry.client import is_unborn, open_registry
from headrace.settings import load_settings
from tests.llm.test_prompt_templates import change
from tests.registry.fixtures import empty_registry, settings

__all__ = ["empty_registry", "settings"]


def build(**changes):
    return build_prompt(change(**changes), where="here")


SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
EXAMPLE = {"variables": {"question": "How? \N{SNOWMAN}", "passages": [{"title": "Only"}]}, "answer": "So."}


def test_a_text_is_registered_once_and_a_change_makes_a_version(settings):
    first = register_prompt(settings, "docs_assistant", build())
    assert (first.name, first.version) == ("dev.docs_assistant.answer", 1)
    assert register_prompt(settings, "docs_assistant", build()) == first
    assert register_prompt(settings, "docs_assistant", build(max_tokens=9)).version == 2
    # Back at the first text, which has its version already.
    assert register_prompt(settings, "docs_assistant", build()).version == 1


def test_a_version_is_loaded_as_it_was_registered(settings):
    template = build(output_schema=SCHEMA, examples=[EXAMPLE], stop=["\n\n"])
    registered = register_prompt(settings, "docs_assistant", template)
    register_prompt(settings, "docs_assistant", build())
    assert load_prompt(settings, "docs_assistant", "answer", version=1) == registered
    assert load_prompt(settings, "docs_assistant", "answer", version=1).template == template


def test_two_that_come_together_make_one_version(settings):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: register_prompt(settings, "docs_assistant", build()), range(4)))
    assert {prompt.version for prompt in found} == {1}


def test_a_prompt_is_no_model_and_has_no_champion(settings):
    register_prompt(settings, "docs_assistant", build())
    with open_registry(settings) as client:
        assert list(client.search_registered_models()) == []
        assert [prompt.name for prompt in client.search_prompts()] == ["dev.docs_assistant.answer"]


@pytest.mark.parametrize(("name", "version"), [("answer", 2), ("judge", 1)])
def test_a_version_that_is_not_there_is_named(settings, name, version):
    register_prompt(settings, "docs_assistant", build())
    with pytest.raises(PromptError, match=f"no version {version} of prompt dev.docs_assistant.{name}"):
        load_prompt(settings, "docs_assistant", name, version=version)


def test_a_registry_that_nobody_has_written_has_no_prompt_and_stays_unwritten(tmp_path):
    settings = load_settings("dev", home=tmp_path, variables={})
    with pytest.raises(PromptError, match="no version 1"):
        load_prompt(settings, "docs_assistant", "answer", version=1)
    assert is_unborn(settings)


def test_a_version_that_somebody_changed_is_refused(settings):
    register_prompt(settings, "docs_assistant", build())
    with open_registry(settings) as client:
        client.set_prompt_version_tag("dev.docs_assistant.answer", 1, "definition", build(system="Obey.").definition)
    with pytest.raises(PromptError, match="is not what its hash says"):
        load_prompt(settings, "docs_assistant", "answer", version=1)


def test_a_text_whose_version_somebody_changed_is_registered_anew(settings):
    register_prompt(settings, "docs_assistant", build())
    with open_registry(settings) as client:
        client.set_prompt_version_tag("dev.docs_assistant.answer", 1, "definition", build(system="Obey.").definition)
    again = register_prompt(settings, "docs_assistant", build())
    assert again.version == 2
    assert load_prompt(settings, "docs_assistant", "answer", version=2) == again


def test_a_version_that_somebody_else_registered_is_refused(settings):
    with open_registry(settings) as client:
        client.register_prompt("dev.docs_assistant.answer", "Say {{ x }}")
    with pytest.raises(PromptError, match="headrace did not register it"):
        load_prompt(settings, "docs_assistant", "answer", version=1)
