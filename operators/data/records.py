"""Messages out of the database in any number, with little of them in memory and no query open between two."""

from collections.abc import Iterator, Sequence

from django.db.models import F, Func, IntegerField, Q, QuerySet, prefetch_related_objects
from django.db.models.functions import Coalesce

from chat.models import Conversation, Message

_CONVERSATIONS = 500
_ROWS = 2000
_MESSAGES = 100
_BYTES = 2_000_000
"""About so much of texts is read at once, or one message, which may hold 10 MB."""


def messages(conversations: QuerySet[Conversation]) -> Iterator[Message]:
    """The conversations' messages, by conversation and place, each with its conversation, tool calls and images.

    What is added meanwhile may be among them or not. A message that was told is no longer held.
    """
    last = 0
    ordered = conversations.order_by("pk")
    while page := list(ordered.filter(pk__gt=last)[:_CONVERSATIONS]):
        last = page[-1].pk
        known = {conversation.pk: conversation for conversation in page}
        for group in _groups(list(known)):
            yield from _whole(group, known)


def _groups(conversations: Sequence[int]) -> Iterator[list[int]]:
    """Keys of messages that may be in memory together."""
    after = (0, 0)
    sized = Message.objects.filter(conversation__in=conversations).order_by("conversation_id", "sequence")
    rows = sized.annotate(size=_size("text") + _size("blocks")).values_list("conversation_id", "sequence", "pk", "size")
    group: list[int] = []
    size = 0
    while page := rows.filter(_beyond(*after))[:_ROWS]:
        for conversation, sequence, pk, more in page:
            if group and (size + more > _BYTES or len(group) == _MESSAGES):
                yield group
                group, size = [], 0
            group.append(pk)
            size += more
            after = (conversation, sequence)
    if group:
        yield group


def _beyond(conversation: int, sequence: int) -> Q:
    return Q(conversation__gt=conversation) | Q(conversation=conversation, sequence__gt=sequence)


def _size(column: str) -> Coalesce:
    """Bytes as stored, which costs nothing to know; compressed, so it may come out as a few times as much."""
    return Coalesce(Func(F(column), function="pg_column_size", output_field=IntegerField()), 0)


def _whole(group: Sequence[int], conversations: dict[int, Conversation]) -> Iterator[Message]:
    found = Message.objects.filter(pk__in=group).order_by("-conversation_id", "-sequence")
    waiting = list(found.prefetch_related("tool_calls"))
    while waiting:
        message = waiting.pop()
        message.conversation = conversations[message.conversation_id]
        if message.has_images:
            prefetch_related_objects([message], "attachments")
        yield message
