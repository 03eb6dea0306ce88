"""Just inside CORS: no answer under ``/api/`` leaves without the envelope."""

from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ccagent.api.errors import error_response


class EnvelopeMiddleware:
    """Replaces error pages that Django made before or around a view: a wrong host, a debug page."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = await self.get_response(request)
        ours = response.headers.get("Content-Type") == "application/json"
        if request.path.startswith("/api/") and response.status_code >= 400 and not ours:
            return error_response(response.status_code, _host_sentence(response.status_code))
        return response


def _host_sentence(status: int) -> str:
    """Before any view Django answers 400 for one reason: a host it does not know."""
    return "The agent does not answer to this host name: set APP_URL to its public address." if status == 400 else ""
