"""Logging in: how often somebody may guess a password. Counted in the database, so by all processes together."""

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.db import connection
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.throttling import BaseThrottle

from operators.models import LoginAttempts

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as UnfoldLoginForm
else:
    from unfold.forms import AuthenticationForm as UnfoldLoginForm

WINDOW = timedelta(minutes=15)
FOR_A_NAME = 10
FOR_AN_ADDRESS = 100
"""Tries in a window: at one name from one address, and at any names from one address.

Not at one name from anywhere: that would let a stranger keep an operator out.
"""


class LoginForm(UnfoldLoginForm):
    """Counts a try before it looks at the password: of many at the same instant, no more than allowed are looked at."""

    error_messages = {
        **UnfoldLoginForm.error_messages,
        "throttled": _("Too many tries: wait a quarter of an hour, then try again."),
    }

    def clean(self) -> dict[str, Any]:
        if self.request and self.cleaned_data.get("username"):
            keys = _keys(self.request, self.cleaned_data["username"])
            if any(_count(key) > limit for key, limit in keys.items()):
                raise ValidationError(self.error_messages["throttled"], code="throttled")
        return super().clean()


def _keys(request: HttpRequest, name: str) -> dict[str, int]:
    """What to count under, with its limit; hashed, because a name may be a password typed into the wrong field."""
    # The address before the proxy, as for the API.
    address = BaseThrottle().get_ident(request)  # type: ignore[arg-type]
    counted = {f"{address} {name.lower()}": FOR_A_NAME, str(address): FOR_AN_ADDRESS}
    return {hashlib.sha256(key.encode(errors="replace")).hexdigest(): limit for key, limit in counted.items()}


def _count(key: str) -> int:
    """The number of this try in its window, which begins with the first one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO operators_loginattempts AS kept (key, count, since)
            VALUES (%(key)s, 1, statement_timestamp())
            ON CONFLICT (key) DO UPDATE SET (count, since) = (
                SELECT CASE WHEN fresh THEN 1 ELSE kept.count + 1 END,
                       CASE WHEN fresh THEN statement_timestamp() ELSE kept.since END
                FROM (SELECT kept.since < statement_timestamp() - %(window)s::interval AS fresh) AS window_over
            )
            RETURNING count
            """,
            {"key": key, "window": f"{WINDOW.seconds} seconds"},
        )
        return int(cursor.fetchone()[0])


@receiver(user_logged_in)
def forget(request: HttpRequest | None, user: Any, **_kwargs: Any) -> None:
    """Who knows the password was no guesser; and what is over is tidied up."""
    if request is not None and "REMOTE_ADDR" in request.META:
        name, _address = _keys(request, user.get_username())
        LoginAttempts.objects.filter(key=name).delete()
    LoginAttempts.objects.filter(since__lt=timezone.now() - WINDOW).delete()
