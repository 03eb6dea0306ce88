"""context/embeddings/configuration.py: which vectors the settings ask for, and who makes them."""

from typing import Any

import pytest

from context.embeddings import configuration
from context.embeddings.configuration import Choice, chosen, maker_of
from context.embeddings.endpoint import Endpoint
from context.embeddings.errors import NotConfigured
from tests.embeddings import environment

GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai/"


def maker(**variables: Any) -> Endpoint:
    env = environment(**variables)
    choice = chosen(env)
    assert choice
    found = maker_of(env, choice)
    assert isinstance(found, Endpoint)
    return found


@pytest.mark.parametrize(
    ("provider", "model", "dimensions"),
    [
        ("google-genai", "gemini-embedding-001", 768),
        ("openai", "text-embedding-3-small", 0),
        ("mistralai", "mistral-embed", 0),
        ("cohere", "embed-v4.0", 0),
    ],
)
def test_without_a_word_the_chat_providers_embeddings_are_taken(provider: str, model: str, dimensions: int) -> None:
    env = environment(provider_name=provider, provider_api_key="key")
    assert chosen(env) == Choice(provider, model, dimensions)


@pytest.mark.parametrize("provider", ["anthropic", "groq", "cerebras", "xai", "something"])
def test_a_provider_without_embeddings_leaves_them_off(provider: str) -> None:
    env = environment(provider_name=provider, provider_api_key="key", provider_base_url="http://127.0.0.1/v1")
    assert chosen(env) is None


def test_without_a_provider_embeddings_are_off() -> None:
    assert chosen(environment()) is None


def test_off_is_off() -> None:
    assert chosen(environment(embeddings="off", provider_name="openai", provider_api_key="key")) is None


def test_a_key_alone_means_google_as_it_does_for_the_chat() -> None:
    assert maker(provider_api_key="key") == Endpoint(GOOGLE, "key", "gemini-embedding-001", 768)


def test_the_chats_key_and_address_are_taken_where_the_provider_is_the_same() -> None:
    found = maker(provider_name="openai", provider_api_key="key", provider_base_url="http://proxy/v1")
    assert (found.base_url, found.key) == ("http://proxy/v1", "key")


def test_embeddings_have_a_key_of_their_own_if_they_want() -> None:
    found = maker(provider_name="openai", provider_api_key="chat", embeddings_api_key="own")
    assert (found.base_url, found.key) == ("https://api.openai.com/v1", "own")


def test_the_chats_key_goes_to_no_other_address() -> None:
    found = maker(provider_name="openai", provider_api_key="chat", embeddings_base_url="http://elsewhere/v1")
    assert (found.base_url, found.key) == ("http://elsewhere/v1", "")


def test_the_chats_key_goes_to_no_other_provider() -> None:
    with pytest.raises(NotConfigured, match="EMBEDDINGS_API_KEY is missing: set it to your key of mistralai"):
        chosen(environment(provider_name="openai", provider_api_key="chat", embeddings_provider="mistralai"))


def test_embeddings_of_another_provider_than_the_chats() -> None:
    found = maker(provider_name="anthropic", embeddings_provider="mistralai", embeddings_api_key="key")
    assert (found.base_url, found.key, found.model) == ("https://api.mistral.ai/v1", "key", "mistral-embed")


def test_any_compatible_endpoint_will_do() -> None:
    found = maker(
        embeddings="provider",
        embeddings_provider="ollama",
        embeddings_base_url="http://127.0.0.1:11434/v1",
        embeddings_model="nomic-embed-text",
    )
    assert found == Endpoint("http://127.0.0.1:11434/v1", "", "nomic-embed-text", 0)


def test_another_model_of_a_provider_comes_with_its_own_dimensions() -> None:
    assert maker(provider_api_key="key", embeddings_model="gemini-embedding-2").dimensions == 0
    assert maker(provider_api_key="key", embeddings_model="m", embeddings_dimensions=256).dimensions == 256


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "EMBEDDINGS_PROVIDER"),
        ({"embeddings_provider": "ollama", "embeddings_model": "m"}, "EMBEDDINGS_BASE_URL"),
        ({"embeddings_provider": "ollama", "embeddings_base_url": "http://h/v1"}, "EMBEDDINGS_MODEL"),
        ({"provider_name": "openai"}, "EMBEDDINGS_API_KEY"),
    ],
)
def test_what_is_missing_is_named(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(NotConfigured, match=sentence):
        chosen(environment(embeddings="provider", **variables))


def test_a_local_model_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "find_spec", lambda _: None)
    with pytest.raises(NotConfigured, match=r"pip install -r requirements-embeddings\.txt"):
        chosen(environment(embeddings="local"))


def test_the_local_model_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "find_spec", lambda _: True)
    assert chosen(environment(embeddings="local")) == Choice("local", "BAAI/bge-small-en-v1.5")
