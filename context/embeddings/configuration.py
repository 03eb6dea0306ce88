"""Which vectors the environment asks for, and who makes them."""

from dataclasses import dataclass
from importlib.util import find_spec

from ccagent.environment import Environment
from ccagent.vendors import BASE_URLS, main_provider
from context.embeddings.backends import Backend
from context.embeddings.endpoint import Endpoint
from context.embeddings.errors import NotConfigured
from context.embeddings.local import LocalModel

LOCAL = "local"


@dataclass(frozen=True)
class Choice:
    """What vectors are made by, and so what they can be compared with; ``dimensions`` 0: as many as the model has."""

    backend: str
    model: str
    dimensions: int = 0


_DEFAULTS = {
    # Of its 3072 numbers the first 768 find as well, by its maker's own figures, in a quarter of the space.
    "google-genai": ("gemini-embedding-001", 768),
    "openai": ("text-embedding-3-small", 0),
    "mistralai": ("mistral-embed", 0),
    "cohere": ("embed-v4.0", 0),
    LOCAL: ("BAAI/bge-small-en-v1.5", 0),
}
_NOT_INSTALLED = (
    "EMBEDDINGS is local, and fastembed is not installed: run `pip install -r requirements-embeddings.txt`."
)


def chosen(env: Environment) -> Choice | None:
    """What the settings ask for, nothing where embeddings are off; raises ``NotConfigured``."""
    name = LOCAL if env.embeddings == "local" else env.embeddings_provider or main_provider(env)
    if env.embeddings == "off" or (env.embeddings == "auto" and name not in _DEFAULTS):
        return None
    if not name:
        raise NotConfigured(sentence="EMBEDDINGS is provider, and there is none: set EMBEDDINGS_PROVIDER and its key.")
    model, dimensions = _DEFAULTS.get(name, ("", 0))
    if env.embeddings_model:
        model, dimensions = env.embeddings_model, 0
    if not model:
        raise NotConfigured(
            sentence=f"EMBEDDINGS_MODEL is missing: set it to the name of an embedding model of {name}."
        )
    choice = Choice(name, model, env.embeddings_dimensions or dimensions)
    maker_of(env, choice)
    return choice


def maker_of(env: Environment, choice: Choice) -> Backend:
    """Who makes the vectors of a choice, which may be an earlier one; raises ``NotConfigured``."""
    if choice.backend == LOCAL:
        if not find_spec("fastembed"):
            raise NotConfigured(sentence=_NOT_INSTALLED)
        return LocalModel(choice.model)
    base_url, key = _address(env, choice.backend)
    return Endpoint(base_url, key, choice.model, choice.dimensions)


def _address(env: Environment, name: str) -> tuple[str, str]:
    """Base URL and key. The chat provider's key goes to no other address than the chat's own."""
    key = url = ""
    if name == (env.embeddings_provider or main_provider(env)):
        key, url = env.embeddings_api_key.get_secret_value(), env.embeddings_base_url
    if name == main_provider(env) and not url:
        key = key or env.provider_api_key.get_secret_value()
        url = env.provider_base_url
    if not (url or name in BASE_URLS):
        raise NotConfigured(
            sentence=f"EMBEDDINGS_PROVIDER is {name}, which is none of {', '.join(BASE_URLS)}: "
            "set EMBEDDINGS_BASE_URL to its address."
        )
    if not (key or url):
        raise NotConfigured(sentence=f"EMBEDDINGS_API_KEY is missing: set it to your key of {name}.")
    return url or BASE_URLS[name], key
