"""Keeps what the rooms say that somebody did."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver
from django.utils import timezone

from ccagent.audit import Action, record, recorded
from ccagent.text import clean
from operators.models import AuditEntry

_FIELDS = {field.name: field for field in AuditEntry._meta.fields}


def _fitting(name: str, value: str) -> str:
    return clean(value)[: _FIELDS[name].max_length]


@receiver(recorded)
def store(
    who: str, action: str, whom: list[str], details: str, quiet_for: timedelta | None = None, **_kwargs: Any
) -> None:
    lines = [
        AuditEntry(
            who=_fitting("who", who), action=action, whom=_fitting("whom", each), details=_fitting("details", details)
        )
        for each in whom
    ]
    if quiet_for is not None:
        lines = [line for line in lines if not _is_there(line, quiet_for)]
    AuditEntry.objects.bulk_create(lines, batch_size=1000)


def _is_there(line: AuditEntry, within: timedelta) -> bool:
    same = AuditEntry.objects.filter(who=line.who, action=line.action, whom=line.whom)
    return same.filter(at__gt=timezone.now() - within).exists()


@receiver(user_logged_in)
def logged_in(user: Any, **_kwargs: Any) -> None:
    record(user, Action.LOGGED_IN)


@receiver(user_login_failed)
def login_failed(credentials: dict[str, Any], **_kwargs: Any) -> None:
    """A stranger's guesses at one name are a line an hour; the throttle counts each."""
    record(str(credentials.get("username", "")), Action.LOGIN_FAILED, quiet_for=timedelta(hours=1))
