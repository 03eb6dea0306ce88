"""The metrics as Prometheus wants them; imported only where there is a ``METRICS_TOKEN``."""

from collections.abc import Iterator
from functools import lru_cache

from django.db import connection
from django.urls import Resolver404, resolve
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from ccagent.observability import metrics

_METHODS = {"GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH"}
# Answers may take minutes, pages milliseconds.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Meters:
    """A registry of its own, so that what a library registers for itself does not get in."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "ccagent_requests", "Answers to HTTP requests.", ["method", "endpoint", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "ccagent_request_duration_seconds",
            "From a request's first byte to the end of its answer.",
            ["method", "endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.turns = Counter("ccagent_turns", "Answers that ended, by how.", ["status"], registry=registry)
        self.first_token = Histogram(
            "ccagent_time_to_first_token_seconds",
            "From a question to the first piece of its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.turn_seconds = Histogram(
            "ccagent_turn_duration_seconds",
            "From a question to the end of its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "ccagent_tokens", "Tokens of model calls.", ["provider", "model", "kind"], registry=registry
        )
        self.provider_errors = Counter(
            "ccagent_provider_errors", "Models that gave no answer, by why.", ["provider", "kind"], registry=registry
        )
        ProcessCollector(registry=registry)
        registry.register(_Looked())

    def request_answered(self, method: str, path: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"
        endpoint = _endpoint(path)
        self.requests.labels(known, endpoint, status).inc()
        self.request_seconds.labels(known, endpoint).observe(seconds)

    def turn_ended(self, status: str, first_token_seconds: float | None, seconds: float) -> None:
        self.turns.labels(status).inc()
        self.turn_seconds.observe(seconds)
        if first_token_seconds is not None:
            self.first_token.observe(first_token_seconds)

    def page(self, accept: str) -> tuple[bytes, str]:
        """All of it, in the format that the one who asks likes best; with its media type."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type


class _Looked:
    """What is not counted but looked at when somebody asks."""

    def collect(self) -> Iterator[Metric]:
        for name, (meaning, value) in metrics.gauges.items():
            yield GaugeMetricFamily(name, meaning, value())
        pool = connection.pool.get_stats()  # type: ignore[attr-defined]
        for name, meaning in _POOL_GAUGES.items():
            yield GaugeMetricFamily(f"ccagent_database_pool_{name}", meaning, pool.get(name, 0))
        for name, meaning in _POOL_COUNTERS.items():
            yield CounterMetricFamily(f"ccagent_database_pool_{name}", meaning, pool.get(name, 0))


_POOL_GAUGES = {
    "pool_size": "Connections to Postgres.",
    "pool_max": "Most connections there may be.",
    "pool_available": "Connections that nobody uses.",
    "requests_waiting": "Who waits for a connection.",
}
_POOL_COUNTERS = {
    "requests_num": "Connections asked for.",
    "requests_queued": "Those that had to wait.",
    "requests_errors": "Those that waited in vain.",
}


@lru_cache(1024)
def _endpoint(path: str) -> str:
    """A path as one of the few there are: strangers may ask for any."""
    if path.startswith("/static/"):
        return "/static/"
    try:
        route = resolve(path).route
    except Resolver404:
        return "other"
    return "other" if "^" in route else f"/{route}"
