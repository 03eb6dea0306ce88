"""Misconfiguration of the model, as Django system checks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from chat import toolset
from chat.agent import configuration, tools
from chat.agent.errors import NotConfigured
from chat.prompts import in_force


def provider_problems(model: str = "") -> list[CheckMessage]:
    """A sentence for the operator where the settings name no usable provider, and for each fallback that is none.

    ``model`` is what the prompt's version in force names, which system checks cannot know: there may be no database.
    """
    found: list[CheckMessage] = []
    try:
        configuration.configured(settings.ENV, model)
    except NotConfigured as problem:
        found.append(Warning(problem.sentence, hint="Until then every message gets this sentence.", id="chat.W001"))
    for mistake in configuration.fallbacks(settings.ENV)[1]:
        found.append(Warning(mistake.sentence, hint="Until then this model is not asked.", id="chat.W002"))
    return found


def provider_problem() -> str:
    """The first of these sentences for the version in force, or nothing."""
    if not provider_problems():
        return ""
    return next((problem.msg for problem in provider_problems(in_force().model)), "")


@register()
def check_tools(**_: Any) -> list[CheckMessage]:
    if missing := toolset.unknown(settings.ENV.tools):
        hint = f"The tools are: {', '.join(tools.registry)}."
        return [Warning(f"TOOLS names {', '.join(missing)}, which no app's tools.py has.", hint=hint, id="chat.W003")]
    return []


@register()
def check_provider(**_: Any) -> list[CheckMessage]:
    return provider_problems()
