"""Writes of a conversation, each one short transaction."""

import datetime
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from chat import content
from chat.agent.events import ToolResult
from chat.content import Block, Image
from chat.models import Attachment, Conversation, Message, ToolCall

HEARTBEAT_LOST = datetime.timedelta(seconds=20)
"""A streaming message whose heartbeat is older belongs to a process that died."""


def open_turn(email: str, blocks: Sequence[Block], date: datetime.datetime) -> tuple[Message, Message]:
    """Stores the question and an empty answer with status *streaming*, before anything else can fail."""
    with transaction.atomic():
        conversation = _locked_conversation(email)
        question = Message(
            conversation=conversation,
            sequence=conversation.last_sequence - 1,
            role=Message.Role.USER,
            text=content.plain_text(blocks),
            blocks=[_without_data(block) for block in blocks],
            date=date,
        )
        answer = Message(
            conversation=conversation,
            sequence=conversation.last_sequence,
            role=Message.Role.ASSISTANT,
            status=Message.Status.STREAMING,
            date=timezone.now(),
            heartbeat_at=Now(),
        )
        Message.objects.bulk_create([question, answer])
        images = content.images(blocks)
        Attachment.objects.bulk_create(
            Attachment(message=question, position=position, name=image.name, base64=image.base64)
            for position, image in images
        )
    return question, answer


def _locked_conversation(email: str) -> Conversation:
    """The person's conversation with two places taken; its row stays locked until the end of the transaction.

    The lock gives two messages that arrive at once their places one after the other.
    """
    if not email:
        return Conversation.objects.create(last_sequence=2)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO chat_conversation (email, created_at, last_activity_at, last_sequence)
            VALUES (%s, now(), now(), 2)
            ON CONFLICT (email) WHERE email <> '' DO UPDATE
            SET last_sequence = chat_conversation.last_sequence + 2, last_activity_at = now()
            RETURNING id, last_sequence
            """,
            [email],
        )
        pk, last_sequence = cursor.fetchone()
    return Conversation(pk=pk, email=email, last_sequence=last_sequence)


def _without_data(block: Block) -> dict[str, str]:
    """A block as the message's row keeps it: images are attachments."""
    if isinstance(block, Image):
        block = Image(block.name)
    return content.serialise(block)


def save_running(texts: dict[int, str]) -> None:
    """The texts so far of running answers by their primary keys, and a sign of life for each; one statement for all."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE chat_message SET text = running.text, heartbeat_at = now()
            FROM unnest(%s::bigint[], %s::text[]) AS running (id, text)
            WHERE chat_message.id = running.id AND status = 'streaming'
            """,
            [list(texts), list(texts.values())],
        )


def close_turn(answer: int, outcome: dict[str, Any], tool_results: Sequence[ToolResult]) -> None:
    """Stores how an answer ended; ``outcome`` holds the message's fields. Once more is the same as once."""
    with transaction.atomic():
        Message.objects.filter(pk=answer).update(heartbeat_at=None, **outcome)
        ToolCall.objects.filter(message=answer).delete()
        ToolCall.objects.bulk_create(
            ToolCall(
                message_id=answer,
                call_id=result.call.id[:200],
                name=result.call.name[:200],
                arguments=result.call.arguments,
                result=result.content,
                failed=result.failed,
                duration_ms=result.duration_ms,
            )
            for result in tool_results
        )


def interrupt_orphans() -> int:
    """Marks answers *interrupted* whose process died; their text so far stays. Returns their number."""
    return Message.objects.filter(status=Message.Status.STREAMING, heartbeat_at__lt=Now() - HEARTBEAT_LOST).update(
        status=Message.Status.INTERRUPTED, heartbeat_at=None
    )
