"""Takes out all that conversations left of a person."""

from dataclasses import dataclass, replace

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from chat import memory
from chat.models import Attachment, Conversation, Fact, Message, Person, Summary, ToolCall
from chat.money import spending

_AT_ONCE = 500


@dataclass(frozen=True)
class Held:
    """How much is stored of a person; the conversations include archived ones."""

    conversations: int
    messages: int
    attachments: int
    tool_calls: int
    summaries: int
    facts: int
    tokens: int

    def __bool__(self) -> bool:
        return any(vars(self).values())


def held(email: str) -> Held:
    """What ``forget`` would take out."""
    messages = Q(message__conversation__email=email)
    return Held(
        conversations=Conversation.objects.filter(email=email).count(),
        messages=Message.objects.filter(conversation__email=email).count(),
        attachments=Attachment.objects.filter(messages).count(),
        tool_calls=ToolCall.objects.filter(messages).count(),
        summaries=Summary.objects.filter(conversation__email=email).count(),
        facts=Fact.objects.filter(email=email).count(),
        tokens=sum(person.tokens for person in Person.objects.filter(email=email)),
    )


def forget(email: str) -> Held:
    """Deletes what is stored of a person, in one transaction; returns what that was.

    Nothing can come after it: a question that arrives meanwhile waits, and is the first of a new conversation; an
    answer in the making has no row any more, which its process sees within a second, and stops; a summary or fact that
    is being made finds no conversation that it could belong to.
    """
    if not email:
        raise ValueError("anonymous calls are nobody's")
    with transaction.atomic():
        is_new = _lock(email)
        counts = held(email)
        delete_messages(Message.objects.filter(conversation__email=email))
        Conversation.objects.filter(email=email).delete()
        memory.forget(email)
        Person.objects.filter(email=email).delete()
        spending.forget(email)
    return replace(counts, conversations=counts.conversations - is_new)


def _lock(email: str) -> bool:
    """Until the transaction ends nobody begins a conversation of the person or adds to one.

    It takes a current conversation for that, as a question does; true where that had to be made.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO chat_conversation (email) VALUES (%s)
            ON CONFLICT (email) WHERE email <> '' AND archived_at IS NULL
            DO UPDATE SET last_sequence = chat_conversation.last_sequence RETURNING xmax = 0
            """,
            [email],
        )
        is_new = bool(cursor.fetchone()[0])
        cursor.execute("SELECT id FROM chat_conversation WHERE email = %s ORDER BY id FOR UPDATE", [email])
        cursor.execute(
            "SELECT chat_message.id FROM chat_message JOIN chat_conversation ON chat_conversation.id = conversation_id"
            " WHERE email = %s AND status = 'streaming' ORDER BY chat_message.id FOR UPDATE OF chat_message",
            [email],
        )
    return is_new


def delete_messages(messages: QuerySet[Message]) -> int:
    """Deletes messages with all that hangs on them, in batches; returns their number."""
    count = 0
    while batch := list(messages.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE]):
        count += Message.objects.filter(pk__in=batch).delete()[1].get("chat.Message", 0)
    return count
