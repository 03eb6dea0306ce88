"""Writes of a conversation, each one short transaction."""

import datetime
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from chat import content
from chat.agent.events import ToolResult
from chat.content import Block, Image
from chat.models import Attachment, Conversation, Message, ToolCall

HEARTBEAT_LOST = datetime.timedelta(seconds=20)
"""A streaming message whose heartbeat is older belongs to a process that died."""


class TooManyRunning(Exception):
    """The person has as many answers in the making as one may have."""


class KeyReused(Exception):
    """An idempotency key came again with another request."""


@dataclass(frozen=True)
class Idempotency:
    """What makes a request the same as an earlier one: the caller's key, and a digest of the body."""

    key: str = ""
    digest: str = ""


NO_KEY = Idempotency()


@dataclass(frozen=True)
class OpenedTurn:
    """``is_new`` is false where an earlier request with the same key opened it. ``waits`` says that others run."""

    question: Message
    answer: Message
    is_new: bool = True
    waits: bool = False


def open_turn(email: str, blocks: Sequence[Block], date: datetime.datetime, once: Idempotency = NO_KEY) -> OpenedTurn:
    """Stores the question and an empty answer with status *streaming*, before anything else can fail.

    Raises ``TooManyRunning`` and ``KeyReused``, having stored nothing.
    """
    try:
        return _open_turn(email, blocks, date, once)
    except IntegrityError:
        # The same key twice at once, on a conversation that neither could lock because it was not there yet.
        return _open_turn(email, blocks, date, once)


@transaction.atomic
def _open_turn(email: str, blocks: Sequence[Block], date: datetime.datetime, once: Idempotency) -> OpenedTurn:
    if email and once.key and (earlier := _earlier_turn(email, once)):
        return earlier
    conversation = _locked_conversation(email)
    running = _alive().filter(conversation=conversation).count() if email else 0
    if running >= settings.ENV.max_running_turns:
        raise TooManyRunning
    question = Message(
        conversation=conversation,
        sequence=conversation.last_sequence - 1,
        role=Message.Role.USER,
        text=content.plain_text(blocks),
        blocks=[_without_data(block) for block in blocks],
        date=date,
        idempotency_key=once.key if email else "",
        request_digest=once.digest if email else "",
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
    Attachment.objects.bulk_create(
        Attachment(message=question, position=position, name=image.name, base64=image.base64)
        for position, image in content.images(blocks)
    )
    return OpenedTurn(question, answer, waits=running > 0)


def _earlier_turn(email: str, once: Idempotency) -> OpenedTurn | None:
    """The turn that the same key opened before; one that failed gives its key back, so that another try can succeed."""
    conversation = Conversation.objects.select_for_update().filter(email=email).first()
    question = Message.objects.filter(conversation=conversation, idempotency_key=once.key).first()
    if conversation is None or question is None:
        return None
    if question.request_digest != once.digest:
        raise KeyReused
    answer = Message.objects.get(conversation=conversation, sequence=question.sequence + 1)
    if answer.status == Message.Status.FAILED or (answer.status == Message.Status.INTERRUPTED and not answer.text):
        Message.objects.filter(pk=question.pk).update(idempotency_key="", request_digest="")
        return None
    return OpenedTurn(question, answer, is_new=False)


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


def save_running(texts: dict[int, str]) -> list[int]:
    """The texts so far of running answers by their primary keys, and a sign of life for each; one statement for all.

    Returns the keys of those that another process was asked to stop.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE chat_message SET text = running.text, heartbeat_at = now()
            FROM unnest(%s::bigint[], %s::text[]) AS running (id, text)
            WHERE chat_message.id = running.id AND status = 'streaming'
            RETURNING chat_message.id, stop_requested
            """,
            [list(texts), list(texts.values())],
        )
        return [pk for pk, stop_requested in cursor.fetchall() if stop_requested]


def request_stop(email: str) -> int:
    """Asks whichever processes are answering the person to stop; returns the number of running answers."""
    return _alive().filter(conversation__email=email).update(stop_requested=True)


def running_answer(email: str) -> Message | None:
    """The person's oldest answer in the making, by whatever process."""
    return _alive().filter(conversation__email=email).order_by("sequence").first()


def _alive() -> QuerySet[Message]:
    """Answers in the making whose process lives."""
    return Message.objects.filter(status=Message.Status.STREAMING, heartbeat_at__gte=Now() - HEARTBEAT_LOST)


def runs_before(answer: Message) -> bool:
    """Whether an earlier answer of the conversation is still in the making."""
    return _alive().filter(conversation=answer.conversation_id, sequence__lt=answer.sequence).exists()


def close_turn(answer: int, outcome: dict[str, Any], tool_results: Sequence[ToolResult]) -> None:
    """Stores how an answer ended; ``outcome`` holds the message's fields. Once more is the same as once."""
    with transaction.atomic() if tool_results else nullcontext():
        Message.objects.filter(pk=answer).update(heartbeat_at=None, **outcome)
        if tool_results:
            _store_tool_calls(answer, tool_results)


def _store_tool_calls(answer: int, tool_results: Sequence[ToolResult]) -> None:
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
