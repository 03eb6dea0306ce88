"""The API's page and its OpenAPI document, where ``SHOW_DOCUMENTATION`` is on."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

# Swagger UI sets styles on its elements, and has pictures in its style sheet.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@require_safe
def document(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """``GET /swagger.json``"""
    # What makes it takes 10 MB, which nobody else is to pay for.
    from ccagent.api import openapi

    return HttpResponse(openapi.document(), content_type="application/json")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """``GET /api-docs``"""
    headers = {"Content-Security-Policy": _POLICY}
    return HttpResponse(render(request, "ccagent/api_docs.html", {"name": settings.APP_NAME}).content, headers=headers)


def urls() -> list[URLPattern]:
    if not settings.SHOW_DOCUMENTATION:
        return []
    return [path("swagger.json", document, name="swagger"), path("api-docs", page, name="api-docs")]
