"""What the project knows of model providers, whatever they are asked for."""

import math
import time
from email.utils import parsedate_to_datetime

from ccagent.environment import Environment

_DAY = 86_400.0

BASE_URLS = {
    "google-genai": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1/",
    "mistralai": "https://api.mistral.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "xai": "https://api.x.ai/v1",
}
"""The OpenAI-compatible endpoints."""


def main_provider(env: Environment) -> str:
    """The chat provider's name, which may follow from the other variables; empty for the one without a network."""
    has_key = bool(env.provider_api_key.get_secret_value())
    return env.provider_name or ("google-genai" if has_key else "custom" if env.provider_base_url else "")


def retry_after(header: str) -> float | None:
    """Seconds that a provider asks to wait, in figures or by a date; a day at most."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(seconds, _DAY) if math.isfinite(seconds) and seconds > 0 else None
