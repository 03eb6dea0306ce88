"""The way of an API request past everything that only pages need."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import resolve

from ccagent.api.errors import error_response, handle
from ccagent.database import in_view_thread

_WRONG_HOST = "The agent does not answer to this host name: set APP_URL to its public address."


PROBES = frozenset({"/livez", "/readyz", "/metrics"})


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def takes_short_way(path: str) -> bool:
    return is_api(path) or path in PROBES


class ApiMiddleware:
    """Answers ``/api/`` itself, always in the envelope; other requests go on through the rest of the middleware.

    Sessions, CSRF, messages and the like are of no use to the API, and each of them would cost a request two hops to
    another thread: with 300 streams starting at once that made the first token come seconds later.
    """

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not takes_short_way(request.path_info):
            return await self.get_response(request)
        try:
            if request.path_info not in PROBES:  # called by the machine's address, not by the agent's name
                request.get_host()
            response = await _answer(request)
        except DisallowedHost:
            response = error_response(400, _WRONG_HOST)
        except Exception as error:  # the API's edge: whatever fails becomes an envelope, a bug is logged
            response = handle(error)
        if response.status_code == 204:
            del response.headers["Content-Type"]
        elif isinstance(response, HttpResponse):
            response.headers["Content-Length"] = str(len(response.content))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


async def _answer(request: HttpRequest) -> HttpResponseBase:
    match = request.resolver_match = resolve(request.path_info)
    view = match.func if iscoroutinefunction(match.func) else in_view_thread(match.func)
    response: HttpResponseBase = await view(request, *match.args, **match.kwargs)
    return response
