"""The doctor's page in the admin, and the stream that it sends itself."""

from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from rest_framework.request import Request

from ccagent.api.authentication import KEY_HEADER
from ccagent.api.errors import ApiError
from ccagent.api.views import AsyncEnvelopeView
from chat.sse import EventStream
from operators.doctor import stream
from operators.doctor.examination import examine
from operators.doctor.report import Level, Line

PERMISSION = "operators.run_doctor"


@require_http_methods(["GET", "POST"])
async def page(request: HttpRequest) -> HttpResponse:
    """Asynchronous, unlike other pages: what it waits for may take half a minute, and must hold no thread."""
    if refused := await sync_to_async(_refused)(request):
        return refused
    lines = await examine() if request.method == "POST" else None
    return await sync_to_async(_shown)(request, lines)


def _refused(request: HttpRequest) -> HttpResponse | None:
    if not admin.site.has_permission(request):
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    return None


def _shown(request: HttpRequest, lines: list[Line] | None) -> HttpResponse:
    counts = {level.value: sum(line.level is level for line in lines or []) for level in Level}
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Doctor"),
        "lines": lines,
        "counts": counts,
    }
    return render(request, "operators/doctor.html", context)


class DoctorStream(AsyncEnvelopeView):
    """``GET /api/doctor/stream``: a short stream that leaves nothing behind, for whoever has the key."""

    schema = None

    async def get(self, request: Request) -> EventStream:
        if settings.INTERNAL_API_KEY and not request.headers.get(KEY_HEADER):
            raise ApiError(401)
        return EventStream(stream.pieces())
