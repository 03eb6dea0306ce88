"""What is older than the operator wants to keep goes, a little at a time."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from chat.models import Conversation, Fact, Message, Person, Summary
from chat.money import spending
from operators.numbers import days

logger = logging.getLogger(__name__)

MOST_DAYS = 36_500
DAY_SECONDS = 24 * 60 * 60.0
_AGAIN_SECONDS = 600.0
_BATCH = 500
_PAUSE_SECONDS = 0.05
# Any number, the same for every process of this project.
_LOCK = 0xCC01D


@dataclass
class Purged:
    """What went, or would go: rows."""

    messages: int = 0
    summaries: int = 0
    conversations: int = 0
    facts: int = 0
    people: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, field.name):,} {field.name}" for field in fields(self))


def purge(age: timedelta, *, dry_run: bool = False, paused: Callable[[float], bool] = lambda _: False) -> Purged | None:
    """Removes what is older; None where another process is at it.

    Messages and summaries go by their own age; a conversation of which nothing is left, and then facts about and sums
    of somebody without conversations, by their last activity. ``paused`` waits for so many seconds between two batches
    and says whether to end there.
    """
    before = timezone.now() - age
    if dry_run:
        return _would_go(before)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return None
        try:
            # What goes cannot be counted any more.
            return None if days.keep() else _purged(before, paused)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _purged(before: datetime, paused: Callable[[float], bool]) -> Purged:
    purged = Purged()
    # In this order: what comes later is looked for in what is left.
    for name, rows in _old(before).items():
        for count in _deleted(rows, paused):
            setattr(purged, name, getattr(purged, name) + count)
    spending.forget_before(timezone.localdate(before))
    return purged


def _old(before: datetime) -> dict[str, QuerySet[Any]]:
    theirs = Conversation.objects.filter(email=OuterRef("email"))
    return {
        "messages": Message.objects.filter(created_at__lt=before).exclude(status=Message.Status.STREAMING),
        "summaries": Summary.objects.filter(created_at__lt=before),
        "conversations": Conversation.objects.filter(
            ~Exists(Message.objects.filter(conversation=OuterRef("pk"))), last_activity_at__lt=before
        ),
        "facts": Fact.objects.filter(~Exists(theirs), created_at__lt=before),
        "people": Person.objects.filter(~Exists(theirs), last_activity_at__lt=before),
    }


def _deleted(rows: QuerySet[Any], paused: Callable[[float], bool]) -> Iterator[int]:
    """The sizes of the batches. What somebody else is at is left for the next time."""
    last = 0
    # As the table's trigger does it: a message goes with its conversation held.
    held = ("self", "conversation") if rows.model is Message else ("self",)
    free = rows.select_related(*held[1:]) if held[1:] else rows
    while True:
        with transaction.atomic():
            found = free.select_for_update(skip_locked=True, of=held).only("pk", *held[1:])
            batch = [row.pk for row in found.filter(pk__gt=last).order_by("pk")[:_BATCH]]
            rows.model._default_manager.filter(pk__in=batch).delete()
        if not batch:
            return
        last = batch[-1]
        yield len(batch)
        if paused(_PAUSE_SECONDS):
            return


def _would_go(before: datetime) -> Purged:
    """Counted as if what goes first had gone already."""
    old = _old(before)
    newer = Message.objects.filter(conversation=OuterRef("pk"), created_at__gte=before)
    conversations = Conversation.objects.filter(~Exists(newer), last_activity_at__lt=before)
    left = Conversation.objects.exclude(pk__in=conversations.values("pk")).filter(email=OuterRef("email"))
    return Purged(
        messages=old["messages"].count(),
        summaries=old["summaries"].count(),
        conversations=conversations.count(),
        facts=Fact.objects.filter(~Exists(left), created_at__lt=before).count(),
        people=Person.objects.filter(~Exists(left), last_activity_at__lt=before).count(),
    )


@contextmanager
def in_background() -> Iterator[None]:
    """Purges once a day in a thread of its own meanwhile, where RETENTION_DAYS is set."""
    stopped = threading.Event()
    thread = threading.Thread(target=_run, args=[stopped], name="retention", daemon=True)
    if settings.ENV.retention_days:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        if settings.ENV.retention_days:
            thread.join(5)


def _run(stopped: threading.Event) -> None:
    age = timedelta(days=settings.ENV.retention_days or 0)
    pause = 0.0
    while not stopped.wait(pause):
        pause = DAY_SECONDS
        try:
            purged = purge(age, paused=stopped.wait)
        except (OperationalError, InterfaceError) as error:
            logger.warning("What is older than RETENTION_DAYS could not be removed: %s", type(error).__name__)
            pause = _AGAIN_SECONDS
        except Exception as error:
            # A bug must not end this until the next start. Its words may quote a text.
            logger.error("What is older than RETENTION_DAYS could not be removed: %s", type(error).__name__)
        else:
            if purged and any(vars(purged).values()):
                logger.info("Older than RETENTION_DAYS and removed: %s", purged)
        finally:
            close_old_connections()
