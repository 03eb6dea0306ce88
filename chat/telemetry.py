"""What a turn tells those who look after the process: counts for Prometheus, spans for OpenTelemetry."""

from collections.abc import Mapping, Sequence
from typing import Any

from ccagent.observability import metrics
from chat.agent.errors import Fault, NotConfigured, ProviderError, Unavailable
from chat.agent.events import ModelCall

_NO_PROVIDERS_FAULT = (Fault, NotConfigured, Unavailable)


def ended(outcome: Mapping[str, Any], calls: Sequence[ModelCall], error: ProviderError | None) -> None:
    """Counts a turn that ended; ``outcome`` holds the message's columns."""
    first = outcome.get("first_token_ms")
    metrics.turn_ended(outcome["status"], None if first is None else first / 1000, outcome["total_ms"] / 1000)
    for call in calls:
        metrics.model_called(call.provider, call.model, call.usage.prompt_tokens, call.usage.completion_tokens)
    if error and not isinstance(error, _NO_PROVIDERS_FAULT):
        metrics.provider_failed(outcome.get("provider", ""), error.kind)
