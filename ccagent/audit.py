"""Who did what: each room says it here, and `operators.audit` keeps it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import TextChoices
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

recorded = Signal()
"""Sent with ``who``, ``action``, ``whom`` (a list), ``details`` and ``quiet_for``."""


class Action(TextChoices):
    """What is worth a line in the log."""

    LOGGED_IN = "logged in", _("Logged in")
    LOGIN_FAILED = "login failed", _("Failed to log in")
    VIEWED = "viewed", _("Viewed a transcript")
    EXPORTED = "exported", _("Exported")
    ASKED_AGAIN = "asked again", _("Asked a question again")
    PAUSED = "paused", _("Paused the agent")
    RESUMED = "resumed", _("Resumed the agent")
    REPLIED = "replied", _("Replied as a human")
    FLAGGED = "flagged", _("Flagged an answer, or took the flag off")
    DISMISSED = "dismissed", _("Dismissed questions")
    PUBLISHED = "published", _("Published a prompt")
    FORGOT = "forgot", _("Forgot a person")
    ADDED = "added", _("Added")
    CHANGED = "changed", _("Changed")
    DELETED = "deleted", _("Deleted")


def record(
    by: HttpRequest | Any, action: str, *, whom: str = "", details: str = "", quiet_for: timedelta | None = None
) -> None:
    """Writes a line of the log: who (a request, a user, or a name such as that of a command) did what to whom.

    Within ``quiet_for`` the same by the same to the same is one line: for pages that fetch themselves again. In a
    transaction the line is kept or undone with the rest.
    """
    record_each(by, action, [whom], details=details, quiet_for=quiet_for)


def record_each(
    by: HttpRequest | Any,
    action: str,
    whom: Iterable[str],
    *,
    details: str = "",
    quiet_for: timedelta | None = None,
) -> None:
    """A line for each of them."""
    user = by.user if isinstance(by, HttpRequest) else by
    who = user if isinstance(user, str) else user.get_username()
    recorded.send(record, who=who, action=str(action), whom=list(whom), details=details, quiet_for=quiet_for)
