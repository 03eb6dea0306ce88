"""OpenTelemetry, on where its own variables ask for it and its packages are installed.

The provider is not the process's global one: libraries with spans of their own would put into them what people wrote.
"""

import logging
import threading
from typing import TYPE_CHECKING, Any

from django.conf import settings

from ccagent.environment import opentelemetry

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

logger = logging.getLogger(__name__)

END_SECONDS = 5.0
tracer: "Tracer | None" = None
shows_content = False
"""Whether spans may hold what people and models wrote."""
_provider: Any = None


def start() -> None:
    """From now on there are spans."""
    global tracer, shows_content, _provider
    wanted = opentelemetry()
    if not wanted.exporter:
        return
    try:
        _provider = _made(wanted.exporter, named=wanted.is_named)
    except ImportError:
        logger.warning("OTEL_… variables are set, but not obeyed: pip install -r requirements-otel.txt")
        return
    tracer = _provider.get_tracer("ccagent")
    shows_content = wanted.shows_content


def _made(exporter: str, *, named: bool) -> Any:
    """Everything else the packages read from the environment themselves."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    resource = Resource.create({} if named else {"service.name": settings.APP_NAME})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    sender = ConsoleSpanExporter() if exporter == "console" else OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(sender))
    return provider


def end() -> None:
    """Sends what there is left, for some seconds: a collector that is away must not hold up the process's end."""
    if _provider:
        ending = threading.Thread(target=_provider.shutdown, daemon=True)
        ending.start()
        ending.join(END_SECONDS)
