"""What is counted for Prometheus.

Without ``METRICS_TOKEN`` nothing is: these functions then return at once, and ``prometheus_client`` is not imported.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccagent.observability.prometheus import Meters

meters: "Meters | None" = None
gauges: dict[str, tuple[str, Callable[[], float]]] = {}


def start() -> None:
    """From now on things are counted."""
    global meters
    from ccagent.observability.prometheus import Meters

    meters = meters or Meters()


def gauge(name: str, meaning: str, value: Callable[[], float]) -> None:
    """Something that is looked at when Prometheus asks, to be named before ``start``."""
    gauges[name] = (meaning, value)


def request_answered(method: str, path: str, status: int, seconds: float) -> None:
    if meters:
        meters.request_answered(method, path, status, seconds)


def provider_failed(provider: str, kind: str) -> None:
    """``kind`` is that of a ``ProviderError``."""
    if meters and kind:
        meters.provider_errors.labels(provider, kind).inc()


def turn_ended(status: str, first_token_seconds: float | None, seconds: float) -> None:
    if meters:
        meters.turn_ended(status, first_token_seconds, seconds)


def model_called(provider: str, model: str, prompt_tokens: int, completion_tokens: int) -> None:
    if meters:
        meters.tokens.labels(provider, model, "input").inc(prompt_tokens)
        meters.tokens.labels(provider, model, "output").inc(completion_tokens)
