"""Which models the environment names, and how to ask them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from weakref import WeakKeyDictionary

from ccagent.environment import Environment, check_base_url, check_key
from ccagent.vendors import main_provider
from chat.agent import errors
from chat.agent.offline import OfflineProvider
from chat.agent.vendors import VENDORS, Provider, Timeouts


def configured(env: Environment, model: str = "") -> Callable[[], Provider]:
    """How to make the provider that the environment names, asked for ``model`` or else for the environment's own.

    Raises ``NotConfigured``, with a sentence for operators.
    """
    key = env.provider_api_key.get_secret_value()
    name = main_provider(env)
    if not name:
        return OfflineProvider
    vendor = VENDORS.get(name)
    base_url = env.provider_base_url or (vendor.base_url if vendor else "")
    model = model or env.provider_model or (vendor.default_model if vendor else "")
    if not base_url:
        raise errors.NotConfigured(
            sentence=(
                f"PROVIDER_NAME is {name}, which is none of {', '.join(VENDORS)}: set PROVIDER_BASE_URL to its address."
            )
        )
    if not key and vendor and not env.provider_base_url:
        raise errors.NotConfigured(sentence=f"PROVIDER_API_KEY is missing: set it to your key of {name}.")
    if not model:
        raise errors.NotConfigured(
            sentence=f"PROVIDER_MODEL is missing: set it to the name of a model of {name}, or name one in the prompt."
        )
    return _maker(env, name, model, base_url, key)


def named(env: Environment, model: str = "") -> list[tuple[str, str]]:
    """Provider and model of all that may be asked, as named; the first is ``model``, or else the environment's own."""
    name = main_provider(env)
    vendor = VENDORS.get(name)
    first = model or env.provider_model or (vendor.default_model if vendor else "")
    return [(name, first), *(_named(env, entry) for entry in filter(None, env.fallback_models.split(",")))]


def _named(env: Environment, entry: str) -> tuple[str, str]:
    """Provider and model of one of ``FALLBACK_MODELS``."""
    before, colon, after = entry.partition(":")
    return (before, after) if colon else (main_provider(env), entry)


def address(env: Environment, provider: str) -> str:
    """Where the operator says that a provider is; empty where they leave that to this project."""
    own = env.fallback_variable(_variable("FALLBACK_BASE_URL", provider))
    return own or (env.provider_base_url if provider == main_provider(env) else "")


def fallbacks(env: Environment) -> tuple[list[Callable[[], Provider]], list[errors.NotConfigured]]:
    """How to make the ``FALLBACK_MODELS`` that can be asked, and what is wrong with the others."""
    makers, problems = [], []
    for entry in filter(None, env.fallback_models.split(",")):
        try:
            makers.append(_fallback(env, entry))
        except errors.NotConfigured as problem:
            problems.append(problem)
    return makers, problems


def _fallback(env: Environment, entry: str) -> Callable[[], Provider]:
    """How to make one of ``FALLBACK_MODELS``; raises ``NotConfigured``, with a sentence for operators."""
    name, model = _named(env, entry)
    vendor = VENDORS.get(name)
    is_main = name == main_provider(env)
    key = _of_provider(env, "FALLBACK_API_KEY", name, check_key)
    url = _of_provider(env, "FALLBACK_BASE_URL", name, check_base_url)
    if is_main:
        key = key or env.provider_api_key.get_secret_value()
        url = url or env.provider_base_url
    if not (url or vendor):
        raise errors.NotConfigured(
            sentence=f"FALLBACK_MODELS names {entry}, whose provider is none of {', '.join(VENDORS)}: "
            f"set {_variable('FALLBACK_BASE_URL', name)} to its address."
        )
    if not (key or url):
        raise errors.NotConfigured(
            sentence=f"{_variable('FALLBACK_API_KEY', name)} is missing: set it to your key of {name}."
        )
    return _maker(env, name, model, url or VENDORS[name].base_url, key)


def _variable(prefix: str, provider: str) -> str:
    return f"{prefix}_{provider.upper().replace('-', '_')}"


def _of_provider(env: Environment, prefix: str, provider: str, check: Callable[[str], None]) -> str:
    name = _variable(prefix, provider)
    value = env.fallback_variable(name)
    try:
        check(value)
    except ValueError as error:
        raise errors.NotConfigured(sentence=f"{name} is malformed: {error}.") from None
    return value


def _maker(env: Environment, name: str, model: str, base_url: str, key: str) -> Callable[[], Provider]:
    timeouts = Timeouts(env.provider_connect_seconds, env.provider_first_byte_seconds, env.provider_stall_seconds)

    def make() -> Provider:
        # The openai library takes half a second and 30 MB: no command that asks no model should pay for it.
        from chat.agent.providers import OpenAIProvider

        return OpenAIProvider(name, model, base_url, key, timeouts, env.provider_retries)

    return make


def load(env: Environment) -> None:
    """Loads what the first question would otherwise wait for; a mistake in the settings is for that to tell."""
    with suppress(errors.NotConfigured):
        if configured(env) is not OfflineProvider:
            import_module("chat.agent.providers")


@dataclass(frozen=True)
class _Models:
    """What one event loop asks, because an HTTP client's connections belong to the loop they were opened on.

    ``first`` has a client for each model that a version of the prompt ever named; empty is the environment's own.
    """

    fallbacks: list[Provider]
    first: dict[str, Provider] = field(default_factory=dict)


_current: WeakKeyDictionary[asyncio.AbstractEventLoop, _Models] = WeakKeyDictionary()


def current(env: Environment, model: str = "") -> list[Provider]:
    """The provider, asked for ``model`` or else for the environment's own, and then those to fall back on.

    Raises ``NotConfigured``. A fallback with a mistake in its settings is left out: a system check tells of it.
    """
    loop = asyncio.get_running_loop()
    if loop not in _current:
        _current[loop] = _Models([make() for make in fallbacks(env)[0]])
    models = _current[loop]
    if model not in models.first:
        models.first[model] = configured(env, model)()
    return [models.first[model], *models.fallbacks]


async def close() -> None:
    """Closes the idle connections of this loop's providers; the process ends."""
    models = _current.pop(asyncio.get_running_loop(), _Models([]))
    for provider in (*models.first.values(), *models.fallbacks):
        await provider.close()
