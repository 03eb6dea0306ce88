"""Forgetting a person: all that is stored goes, and a proof without the content stays."""

import hashlib
import hmac
import re
from dataclasses import asdict
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from ccagent.models import Secret
from chat import forgetting
from context.models import Document
from operators.audit import Action, record
from operators.models import AuditEntry, ForgottenPerson


def held(email: str) -> dict[str, int]:
    """What ``forget`` would take out, by its name; ``documents_added`` are kept, without the name."""
    return {**asdict(forgetting.held(email)), "documents_added": _documents(email).count()}


def forget(email: str, by: Any) -> ForgottenPerson:
    """Deletes what is stored of a person; returns the proof. ``by`` is as `operators.audit.record` takes it."""
    with transaction.atomic():
        gone = asdict(forgetting.forget(email))
        gone["documents_added"] = _documents(email).update(added_by="")
        proof = ForgottenPerson(digest=digest(email), masked=masked(email), by=_name(by), counts=gone)
        proof.save()
        _mask_in_logs(email, proof.masked)
        record(by, Action.FORGOT, whom=proof.masked, details=f"{gone['messages']} messages")
    return proof


def _name(by: HttpRequest | Any) -> str:
    user = by.user if isinstance(by, HttpRequest) else by
    return (user if isinstance(user, str) else user.get_username())[:150]


def proofs(email: str) -> QuerySet[ForgottenPerson]:
    """That somebody with this address was forgotten, each time; the newest first."""
    return ForgottenPerson.objects.filter(digest=digest(email))


def digest(email: str) -> str:
    """What an address can be found by but not read from, by nobody who has not this installation's secret."""
    return hmac.new(Secret.kept("forgotten_people").encode(), email.encode(), hashlib.sha256).hexdigest()


def masked(email: str) -> str:
    """Like ``a…@e….com``: a hint for people, no name."""
    name, _, host = email.partition("@")
    domain, dot, end = host.rpartition(".")
    return f"{name[:1]}…@{domain[:1]}…{dot}{end}"


def _documents(email: str) -> QuerySet[Document]:
    return Document.objects.filter(added_by__iexact=email)


def _mask_in_logs(email: str, mask: str) -> None:
    """Whom something was done to is not named any more; who did it is, should an operator be the person."""
    address = re.compile(rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)", re.IGNORECASE)
    _mask(AuditEntry, ("whom", "details"), address, email, mask)
    _mask(LogEntry, ("object_repr", "change_message"), address, email, mask)


def _mask(model: type[Model], names: tuple[str, ...], address: re.Pattern[str], email: str, mask: str) -> None:
    named = Q(*((f"{name}__icontains", email) for name in names), _connector=Q.OR)
    rows = list(model._default_manager.filter(named))
    for row in rows:
        for name in names:
            setattr(row, name, address.sub(lambda _: mask, getattr(row, name)))
    model._default_manager.bulk_update(rows, names, batch_size=500)
