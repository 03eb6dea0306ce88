"""Misconfiguration of the model, as Django system checks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from chat.agent import providers
from chat.agent.errors import NotConfigured


def provider_problem() -> str:
    """One sentence for the operator where the settings name no usable provider, else nothing."""
    try:
        providers.configured(settings.ENV)
    except NotConfigured as problem:
        return problem.sentence
    return ""


@register()
def check_provider(**_: Any) -> list[CheckMessage]:
    problem = provider_problem()
    return [Warning(problem, hint="Until then every message gets this sentence.", id="chat.W001")] if problem else []
