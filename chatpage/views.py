"""The chat page at ``/``, a stand-in for the platform's chat window."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """The chat page; where it is off, the way to the admin."""
    if not settings.CHAT_PAGE:
        return redirect("admin:index")
    page = {"name": settings.APP_NAME, "access": access(), "body_limit": settings.BODY_LIMIT}
    response = render(request, "chatpage/page.html", page)
    response["Content-Security-Policy"] = POLICY
    response["Cache-Control"] = "no-cache"
    return response


def access() -> str:
    """What the page asks for: ``email``, also a ``key``, ``either`` (a key of those who have one), or ``nothing``."""
    if settings.INTERNAL_API_KEY:
        return "either" if settings.ALLOW_ANONYMOUS else "key"
    return "email" if settings.DEV_MODE else "nothing"
