"""Declared models: what an environment may say of one, and what is refused before a key could go the wrong way."""

import pytest

from headrace.errors import SettingsError
from headrace.llm.model_settings import LocalModel, RemoteModel, check_address
from headrace.settings import environments, load_settings


def load(tmp_path, entry: str):
    return load_settings("dev", home=tmp_path, variables={"HEADRACE_LANGUAGE_MODELS": entry}).language_models


def test_an_alias_names_a_model_of_the_hub_or_an_address(tmp_path):
    found = load(tmp_path, "{chat: {kind: local, model: small}, judge: {kind: openai, model: big, address: 'https://models.example/v1/'}}")
    assert isinstance(found["chat"], LocalModel)
    assert isinstance(found["judge"], RemoteModel)
    assert found["judge"].address == "https://models.example/v1"


@pytest.mark.parametrize("name", environments())
def test_every_environment_declares_the_model_that_answers(name, tmp_path):
    assert "chat" in load_settings(name, home=tmp_path, variables={}).language_models


@pytest.mark.parametrize(
    "address", ["https://models.example/v1", "http://127.0.0.1:8080/v1", "http://localhost:1", "http://[::1]:9/v1", "https://10.0.0.8:8443/openai"]
)
def test_an_address_is_https_or_on_this_machine(address):
    assert check_address(address + "/") == address


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("file:///etc/passwd", "no http address"),
        ("ftp://models.example", "no http address"),
        ("https://", "no http address"),
        ("models.example/v1", "no http address"),
        ("https://models.example:99999/v1", "no address"),
        ("https://models.example\\@evil.example/v1", "no http address"),
        ("https://mödels.example/v1", "no http address"),
        ("https://user:password@models.example/v1", "holds a login"),
        ("https://sk-secret@models.example/v1", "holds a login"),
        ("https://models.example/v1?key=sk-secret", "holds a query"),
        ("http://models.example/v1", "plain http beyond this machine"),
        ("http://127.0.0.1.evil.example/v1", "plain http beyond this machine"),
        ("http://localhost.evil.example/v1", "plain http beyond this machine"),
        ("http://10.0.0.8/v1", "plain http beyond this machine"),
    ],
)
def test_an_address_that_would_leak_or_lead_elsewhere_is_refused(address, match):
    with pytest.raises(ValueError, match=match):
        check_address(address)


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ("{chat: {kind: openai, model: m, address: 'https://a.example', api_key: sk-secret}}", "api_key: is no secret reference; write env:NAME or"),
        ("{chat: {kind: openai, model: m, address: 'https://sk-secret@a.example'}}", "holds a login"),
        ("{chat: {kind: openai, model: m}}", "address: is missing"),
        ("{chat: {kind: telepathy, model: m, api_key: sk-secret}}", "kind"),
        ("{chat: {kind: local, model: m, address: 'https://a.example'}}", "unknown key .*address.*see docs"),
        ("{chat: {kind: openai, model: m, address: 'https://a.example', request: {messages: []}}}", "sets messages, which the gateway sets"),
        ("{Chat Model: {kind: local, model: m}}", "language_models: 'Chat Model' is no alias"),
        ("{chat: {kind: local, model: m, fallbacks: [chat]}}", "chat falls back on chat; others declared: none"),
        ("{chat: {kind: local, model: m, fallbacks: [judge]}}", "chat falls back on judge"),
        ("{chat: {kind: local, model: m, timeout_s: 0}}", "timeout_s"),
        ("[sk-secret]", "language_models"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_key_and_its_values_are_shown_nowhere(tmp_path, entry, match):
    with pytest.raises(SettingsError, match=match) as caught:
        load(tmp_path, entry)
    assert "sk-secret" not in str(caught.value)
