"""An operator answers a person instead of the agent: reads and writes, each short."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from ccagent.text import clean
from chat.models import Conversation, Message, Person
from chat.storage import PAUSED, request_stop


class TakeoverProblem(Exception):
    """What an operator wanted cannot be done; the message is a sentence for them."""


def pause(email: str, by: str, *, stop: bool = False) -> bool:
    """From now on the person's questions are left to operators; false where that was so already.

    An answer in the making is finished, unless it is to ``stop``.
    """
    paused = Person.objects.filter(email=email, paused_at=None).update(paused_at=Now(), paused_by=by)
    if stop:
        request_stop(email)
    return bool(paused)


def resume(email: str) -> bool:
    """The agent answers again; false where it did so already."""
    return bool(Person.objects.filter(email=email).exclude(paused_at=None).update(paused_at=None, paused_by=""))


def reply(email: str, text: str, by: str, once: str = "") -> tuple[Message, bool]:
    """Stores an operator's words as an answer in the person's current conversation, and says whether it is a new one.

    The same ``once`` again is the same answer. Raises ``TakeoverProblem``.
    """
    text = clean(text).strip()
    if not text:
        raise TakeoverProblem(_("Write something first."))
    if len(text) > settings.ENV.answer_max_chars:
        longest = {"characters": settings.ENV.answer_max_chars}
        raise TakeoverProblem(_("This is longer than %(characters)d characters: write less at once.") % longest)
    with transaction.atomic():
        conversation = _current(email)
        earlier = conversation.messages.filter(idempotency_key=once).first() if once else None
        return (earlier, False) if earlier else (_store(conversation, text, by, once), True)


def _current(email: str) -> Conversation:
    """The conversation, locked as a question locks it; raises ``TakeoverProblem`` where nobody waits for words."""
    current = Conversation.objects.select_for_update().filter(email=email, archived_at=None, last_sequence__gt=0)
    conversation = current.first()
    if conversation is None:
        raise TakeoverProblem(_("This person started over and has not written since: wait for their next message."))
    if not is_paused(email):
        raise TakeoverProblem(_("The agent answers this person again: pause it before you write."))
    return conversation


def _store(conversation: Conversation, text: str, by: str, once: str) -> Message:
    conversation.last_sequence += 1
    Conversation.objects.filter(pk=conversation.pk).update(
        last_sequence=conversation.last_sequence, last_activity_at=Now()
    )
    message = Message(
        conversation=conversation,
        sequence=conversation.last_sequence,
        role=Message.Role.ASSISTANT,
        text=text,
        author=by[:150],
        idempotency_key=once[:255],
        date=timezone.now(),
    )
    message.save()
    return message


def is_paused(email: str) -> bool:
    return Person.objects.filter(email=email).exclude(paused_at=None).exists()


@dataclass(frozen=True)
class Place:
    """Where somebody waits for an operator: after which message; ``own`` says that this is what answered them."""

    conversation: int
    after: int
    own: bool


def waiting_place(email: str) -> tuple[Place, str] | None:
    """Where somebody who comes back waits while the agent is paused, and the answer that stands there.

    None where there is nothing to wait for. The answer is empty where the last message is none.
    """
    if not is_paused(email):
        return None
    last = Message.objects.filter(conversation__email=email, conversation__archived_at=None).order_by("-sequence")
    found = last.values_list("conversation", "sequence", "role", "text").first()
    if not found:
        return None
    conversation, sequence, role, text = found
    return Place(conversation, sequence, own=False), text if role == Message.Role.ASSISTANT else ""


@dataclass(frozen=True)
class Said:
    """What operators wrote there since; ``over`` says that there is no more to wait for."""

    text: str
    over: bool


_SAID = """
SELECT coalesce(later.replies, ''), NOT is_paused OR archived_at IS NOT NULL OR coalesce(later.asked, false)
    OR coalesce(own AND stop_requested, false)
FROM unnest(%s::bigint[], %s::int[], %s::bool[]) WITH ORDINALITY AS place (conversation, after, own, number)
LEFT JOIN chat_conversation conversation ON conversation.id = place.conversation
LEFT JOIN chat_message message ON message.conversation_id = place.conversation AND message.sequence = place.after
LEFT JOIN LATERAL (
    SELECT count(*) > 0 AS is_paused FROM chat_person
    WHERE chat_person.email = conversation.email AND paused_at IS NOT NULL
) person ON true
LEFT JOIN LATERAL (
    SELECT string_agg(text, E'\\n\\n' ORDER BY sequence) FILTER (WHERE author <> '') AS replies,
        bool_or(role = 'user') AS asked
    FROM chat_message later WHERE later.conversation_id = place.conversation AND sequence > place.after
) later ON true
ORDER BY number"""


def said_since(places: Sequence[Place]) -> list[Said]:
    """For each place what was said there; one query for all."""
    columns = zip(*((place.conversation, place.after, place.own) for place in places), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_SAID, [list(column) for column in columns])
        return [Said(text, over) for text, over in cursor.fetchall()]


def request_end(email: str) -> int:
    """Asks whichever process keeps the person's newest question open for an operator to let go of it."""
    newest = Message.objects.filter(conversation__email=email, conversation__archived_at=None, finish_reason=PAUSED)
    return newest.filter(sequence=F("conversation__last_sequence"), stop_requested=False).update(stop_requested=True)
