"""For those who look after the process: is it alive, may it get requests, what has it counted."""

import asyncio
import hmac
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from ccagent.api.errors import ApiError, error_response
from ccagent.database import in_database, in_view_thread
from ccagent.observability import metrics

_SECONDS = 4.0
View = Callable[..., Any]


def _read_only(view: View) -> View:
    @wraps(view)
    async def checked(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            refusal = error_response(405)
            refusal.headers["Allow"] = "GET, HEAD"
            return refusal
        response: HttpResponse = await view(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    return checked


@_read_only
async def livez(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """``GET /livez``: the process answers, whatever else may be away."""
    return JsonResponse({"alive": True})


@_read_only
async def readyz(request: HttpRequest) -> HttpResponse:
    """``GET /readyz``: 503 tells what is in the way."""
    if request.scope.get("state", {}).get("draining"):  # type: ignore[attr-defined]
        return _verdict(server="stopping")
    try:
        async with asyncio.timeout(_SECONDS):
            missing = await in_database(_missing_migrations)
    except (OperationalError, InterfaceError, TimeoutError):
        return _verdict(database="cannot be reached")
    return _verdict(migrations=f"not applied: {', '.join(missing)}") if missing else _verdict()


def _verdict(**problems: str) -> JsonResponse:
    found = {"server": "ok", "database": "ok", "migrations": "ok"} | problems
    if problems.keys() & {"server", "database"}:
        # What was not looked at is not said to be well.
        found = {name: said for name, said in found.items() if name in problems}
    return JsonResponse({"ready": not problems, **found}, status=503 if problems else 200)


def _missing_migrations() -> list[str]:
    """Migrations of this version that the database lacks; that it has newer ones is no harm."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app || '.' || name FROM django_migrations")
        applied = {name for (name,) in cursor.fetchall()}
    return sorted(_newest_migrations() - applied)


@cache
def _newest_migrations() -> set[str]:
    return {f"{app}.{name}" for app, name in MigrationLoader(None).graph.leaf_nodes()}


@_read_only
async def metrics_page(request: HttpRequest) -> HttpResponse:
    """``GET /metrics``, for who has ``METRICS_TOKEN``."""
    token = settings.ENV.metrics_token.get_secret_value()
    if not (token and metrics.meters):
        raise ApiError(404)
    given = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {token}".encode()):
        answer = HttpResponse("Send the value of METRICS_TOKEN as a bearer token.\n", "text/plain", status=401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    body, content_type = await in_view_thread(metrics.meters.page)(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type)


urls = [path("livez", livez), path("readyz", readyz), path("metrics", metrics_page)]
