"""Who calls: the platform's key proves the call, its e-mail names the person."""

import hmac
from dataclasses import dataclass
from typing import cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ccagent.api.errors import ApiError
from ccagent.observability.logs import hashed

KEY_HEADER = "X-CC-API-KEY"
EMAIL_HEADER = "X-CC-EMAIL"


@dataclass(frozen=True)
class Caller:
    """Who a request comes from; ``email`` is empty for somebody without a history."""

    email: str

    # What DRF asks of a user.
    is_authenticated = True


def identify(request: HttpRequest) -> Caller:
    """Reads both headers; raises ``ApiError`` 401 for a missing or wrong key, 400 for what is no e-mail address."""
    key = _header(request, KEY_HEADER)
    email = _header(request, EMAIL_HEADER)
    if settings.INTERNAL_API_KEY:
        if not key and settings.ALLOW_ANONYMOUS:
            return Caller("")
        # Bytes, because compare_digest refuses text that is not ASCII.
        if key is None or not hmac.compare_digest(key, settings.INTERNAL_API_KEY.encode()):
            raise ApiError(401)
    elif not settings.DEV_MODE:
        return _keyless_caller()
    return Caller(normalised(email) if email is not None else "")


def _keyless_caller() -> Caller:
    """Without a key of our own nobody can prove an e-mail."""
    if settings.ALLOW_ANONYMOUS:
        return Caller("")
    raise ApiError(401, "This agent has no INTERNAL_API_KEY: its operator must set one.")


def _header(request: HttpRequest, name: str) -> bytes | None:
    """The header's bytes. Django joins repeated headers by a comma, so the raw ones are counted."""
    wanted = name.lower().encode()
    values = [value for key, value in request.scope["headers"] if key == wanted]  # type: ignore[attr-defined]
    if len(values) > 1:
        raise ApiError(400, f"The {name} header was sent {len(values)} times: send it once.")
    return values[0] if values else None


def normalised(raw: bytes) -> str:
    """An e-mail as people are known by it: lower case without blanks around it. Raises ``ApiError`` 400.

    ASCII only: look-alike letters would otherwise meet under ``lower()``.
    """
    try:
        email = raw.decode("ascii").strip().lower()
        if email:
            validate_email(email)
        # Django's validator lets control characters through between quotes, and more than the standard's 254.
        if len(email) > 254 or not email.isprintable():
            raise ValidationError("too long or unprintable")
    except (UnicodeDecodeError, ValidationError):
        raise ApiError(400, f"The {EMAIL_HEADER} header is not an e-mail address.") from None
    return email


def caller(request: HttpRequest | Request) -> Caller:
    """The caller of a request that was identified."""
    return cast("Caller", request.user)


class PlatformAuthentication(BaseAuthentication):
    """``identify`` for DRF views: ``request.user`` is the ``Caller``."""

    def authenticate(self, request: Request) -> tuple[Caller, None]:
        caller = identify(request._request)
        if caller.email and settings.ENV.log_format == "json":
            state = request._request.scope["state"]  # type: ignore[attr-defined]
            state["email"] = hashed(caller.email, settings.SECRET_KEY)
        return caller, None
