"""The models: can each be reached, does it know our key and its own name, and does it answer."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from difflib import get_close_matches
from typing import Any, TypeVar

from django.conf import settings

from ccagent.environment import Environment
from chat.agent import configuration, errors
from chat.agent.events import Finished, TextDelta
from chat.agent.listing import Listing
from chat.agent.offline import OfflineProvider
from chat.agent.prompt import ModelRequest, PromptMessage
from chat.agent.vendors import Provider
from chat.content import Text
from operators.doctor.report import Line, failure, ok, warning

SECONDS = 20.0
_SLOW_MS = 5_000
_QUESTION = ModelRequest("Answer with a single word.", (PromptMessage("user", (Text("Are you there?"),)),))
_ADVICE = {
    errors.KeyRefused: "Check the provider's API key.",
    errors.ModelNotFound: "Check the model's name: PROVIDER_MODEL, FALLBACK_MODELS, or the prompt's in force.",
    errors.TimedOut: "Check PROVIDER_BASE_URL, the provider's status page, and whether this machine may call out.",
    errors.Busy: "Wait, or ask the provider for a higher limit; FALLBACK_MODELS answer meanwhile.",
}

Result = TypeVar("Result")
_Listed = Listing | errors.ProviderError
_Answered = int | errors.ProviderError
"""Milliseconds until the first word."""


async def look(model: str = "") -> list[Line]:
    """All models that may be asked; ``model`` is what the prompt's version in force names."""
    env = settings.ENV.model_copy(
        update={
            "provider_first_byte_seconds": min(settings.ENV.provider_first_byte_seconds, SECONDS),
            "provider_retries": 0,
        }
    )
    makers, problems = configuration.fallbacks(env)
    groups = await asyncio.gather(_first(env, model), *(_model(maker, "fallback") for maker in makers))
    lines = [line for group in groups for line in group]
    return lines + [
        warning("fallback", problem.sentence, "Until then this model is not asked.") for problem in problems
    ]


async def _first(env: Environment, model: str) -> list[Line]:
    try:
        maker = configuration.configured(env, model)
    except errors.NotConfigured as problem:
        return [failure("model", problem.sentence, "Until then every message gets this sentence.")]
    if maker is OfflineProvider:
        text = "None is set up: the agent quotes its documents."
        return [warning("model", text, "Set PROVIDER_NAME, PROVIDER_MODEL and PROVIDER_API_KEY.")]
    return await _model(maker, "model")


async def _model(make: Callable[[], Provider], about: str) -> list[Line]:
    # The library behind it takes half a second and 30 MB.
    from chat.agent.providers import OpenAIProvider

    provider = make()
    assert isinstance(provider, OpenAIProvider)
    try:
        listed, answered = await asyncio.gather(_tried(provider.models()), _tried(_milliseconds(provider)))
    finally:
        await provider.close()
    about = f"{about} {provider.model}"
    return [
        *_reached(provider.name, about, listed, answered),
        *_listed(about, listed, answered),
        _said(about, answered),
    ]


async def _tried(work: Coroutine[Any, Any, Result]) -> Result | errors.ProviderError:
    try:
        return await work
    except errors.ProviderError as error:
        return error


async def _milliseconds(provider: Provider) -> int:
    """Until the first word of an answer, which nobody waits for the rest of."""
    started = time.monotonic()
    async with aclosing(provider.stream(_QUESTION)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, TextDelta | Finished):
                break
    return round((time.monotonic() - started) * 1000)


def _reached(name: str, about: str, listed: _Listed, answered: _Answered) -> list[Line]:
    if isinstance(listed, Listing) or isinstance(answered, int):
        return [ok(about, f"{name} can be reached, and accepts the key.")]
    if isinstance(listed, errors.KeyRefused) and not isinstance(answered, errors.KeyRefused):
        return [failure(about, listed.sentence, _advice(listed))]
    # What the question met says the same.
    return []


def _listed(about: str, listed: _Listed, answered: _Answered) -> list[Line]:
    model = about.partition(" ")[2]
    if not isinstance(listed, Listing):
        return [ok(about, "Its provider has no list of models that can be read.")] if isinstance(answered, int) else []
    if model in listed:
        return [ok(about, f"It is among the {len(listed.names)} models of its provider.")]
    if isinstance(answered, int) or not listed.is_whole:
        return [
            warning(about, "It is not on its provider's list of models: it may be about to go.", _near(model, listed))
        ]
    return [failure(about, f"It is not among the {len(listed.names)} models of its provider.", _near(model, listed))]


def _near(model: str, listed: Listing) -> str:
    near = get_close_matches(model, listed.names, n=3, cutoff=0.4)
    return f"Its names are like {', '.join(near)}." if near else "See its provider's documentation for another one."


def _said(about: str, answered: _Answered) -> Line:
    if not isinstance(answered, int):
        return failure(about, f"{answered.sentence} {answered.detail}".strip(), _advice(answered))
    if answered > _SLOW_MS:
        return warning(about, f"It began to answer after {answered / 1000:.1f} s.", "See its provider's status page.")
    return ok(about, f"It began to answer after {answered} ms.")


def _advice(error: errors.ProviderError) -> str:
    return _ADVICE.get(type(error), "The provider's own words are above; its status page may say more.")
