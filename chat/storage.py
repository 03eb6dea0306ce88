"""Writes of a conversation, each one short transaction."""

import datetime
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from chat import content
from chat.agent.events import ToolResult
from chat.content import Block, Image
from chat.models import Attachment, Conversation, Message
from chat.money import spending

PAUSED = "paused"
"""The finish reason of an answer that only says that an operator is going to answer."""
HEARTBEAT_LOST = datetime.timedelta(seconds=10)
"""A streaming message whose heartbeat is older belongs to a process that died: it gives one each second."""


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
    """``is_new`` is false where an earlier request with the same key opened it. ``waits`` says that others run.

    ``is_paused`` says that the agent is: the answer is stored whole, and no model is to be asked.
    ``over_budget`` says that no model is to be asked.
    """

    question: Message
    answer: Message
    is_new: bool = True
    waits: bool = False
    is_paused: bool = False
    over_budget: bool = False


def open_turn(email: str, blocks: Sequence[Block], date: datetime.datetime, once: Idempotency = NO_KEY) -> OpenedTurn:
    """Stores the question and an empty answer with status *streaming*, before anything else can fail.

    Where an operator paused the agent for the person, the answer is the sentence in PAUSED_ANSWER, and *complete*.
    Raises ``TooManyRunning`` and ``KeyReused``, having stored nothing.
    """
    try:
        return _open_turn(email, blocks, date, once)
    except IntegrityError:
        # The same key twice at once, on a conversation that neither could lock because it was not there yet.
        return _open_turn(email, blocks, date, once)


def _open_turn(email: str, blocks: Sequence[Block], date: datetime.datetime, once: Idempotency) -> OpenedTurn:
    images = list(content.images(blocks))
    # The statements that open a turn are one round trip and one transaction by themselves.
    with transaction.atomic() if images or once.key else nullcontext():
        if email and once.key and (earlier := _earlier_turn(email, once)):
            return earlier
        opened = _insert(email, blocks, date, once if email else NO_KEY)
        Attachment.objects.bulk_create(
            Attachment(message=opened.question, position=position, name=image.name, base64=image.base64)
            for position, image in images
        )
        return opened


# The first statement locks the person's conversation, so that two messages at once get their places one after the
# other; the second sees what others have stored until then. Were they one statement, it would look before it waits.
_PLACE_OF_PERSON = """
INSERT INTO chat_conversation (email) VALUES (%(email)s)
ON CONFLICT (email) WHERE email <> '' AND archived_at IS NULL DO UPDATE SET last_activity_at = now();
WITH running AS (
    SELECT count(*) FROM chat_message JOIN chat_conversation ON chat_conversation.id = conversation_id
    WHERE email = %(email)s AND status = 'streaming' AND heartbeat_at >= now() - %(lost)s
), place AS (
    UPDATE chat_conversation SET last_sequence = last_sequence + 2 FROM running
    WHERE email = %(email)s AND archived_at IS NULL AND running.count < %(most)s
    RETURNING chat_conversation.id, last_sequence, running.count
), paused AS (
    SELECT EXISTS (SELECT FROM chat_person WHERE email = %(email)s AND paused_at IS NOT NULL) AS is_paused
)"""
_PLACE_OF_NOBODY = """
WITH place AS (
    INSERT INTO chat_conversation (email, last_sequence) VALUES ('', 2) RETURNING id, last_sequence, 0 AS count
), paused AS (
    SELECT false AS is_paused
)"""
_INSERT = """
INSERT INTO chat_message
    (conversation_id, sequence, role, status, text, blocks, date, heartbeat_at, idempotency_key, request_digest,
        finish_reason)
SELECT id, last_sequence - 1, 'user', 'complete', %(text)s, %(blocks)s::jsonb, %(date)s, null, %(key)s, %(digest)s, ''
FROM place
UNION ALL SELECT id, last_sequence, 'assistant', CASE WHEN is_paused THEN 'complete' ELSE 'streaming' END,
    CASE WHEN is_paused THEN %(paused_answer)s ELSE '' END, null, now(), CASE WHEN is_paused THEN null ELSE now() END,
    '', '', CASE WHEN is_paused THEN 'paused' ELSE '' END
FROM place, paused
RETURNING id, conversation_id, sequence, date, (SELECT count FROM place) > 0, text, finish_reason, """


def _insert(email: str, blocks: Sequence[Block], date: datetime.datetime, once: Idempotency) -> OpenedTurn:
    values: dict[str, Any] = {
        "email": email,
        "lost": HEARTBEAT_LOST,
        "most": settings.ENV.max_running_turns,
        "text": content.plain_text(blocks),
        "blocks": json.dumps([_without_data(block) for block in blocks]),
        "date": date,
        "key": once.key,
        "digest": once.digest,
        "paused_answer": settings.ENV.paused_answer,
        **spending.budgets(email),
    }
    statements = (_PLACE_OF_PERSON if email else _PLACE_OF_NOBODY) + _INSERT + spending.is_used_up()
    with connection.cursor() as cursor:
        cursor.execute(statements, values)
        if email:
            cursor.nextset()
        rows = cursor.fetchall()
    if not rows:
        raise TooManyRunning
    conversation = Conversation(pk=rows[0][1], email=email)
    question, answer = (
        Message(pk=pk, conversation=conversation, sequence=sequence, role=role, date=date)
        for role, (pk, _, sequence, date, *_) in zip((Message.Role.USER, Message.Role.ASSISTANT), rows, strict=True)
    )
    *_, waits, text, reason, over_budget = rows[1]
    answer.text, answer.finish_reason = text, reason
    return OpenedTurn(question, answer, waits=waits, is_paused=reason == PAUSED, over_budget=over_budget)


def _earlier_turn(email: str, once: Idempotency) -> OpenedTurn | None:
    """The turn that the same key opened before.

    One that failed gives its key back, so that another try can succeed. Its question keeps the digest: by that it is
    known as one that was asked again, and is in the history once.
    """
    conversation = Conversation.objects.select_for_update().filter(email=email, archived_at=None).first()
    question = Message.objects.filter(conversation=conversation, idempotency_key=once.key).first()
    if conversation is None or question is None:
        return None
    if question.request_digest != once.digest:
        raise KeyReused
    answer = Message.objects.get(conversation=conversation, sequence=question.sequence + 1)
    if answer.status == Message.Status.FAILED or (answer.status == Message.Status.INTERRUPTED and not answer.text):
        Message.objects.filter(pk=question.pk).update(idempotency_key="")
        return None
    return OpenedTurn(question, answer, is_new=False, is_paused=answer.finish_reason == PAUSED)


def _without_data(block: Block) -> dict[str, str]:
    """A block as the message's row keeps it: images are attachments."""
    if isinstance(block, Image):
        block = Image(block.name)
    return content.serialise(block)


@dataclass(frozen=True)
class MadeCall:
    """A tool call as it is stored: its place among its answer's calls, and the length of the text before it."""

    position: int
    text_offset: int
    result: ToolResult


def save_running(texts: dict[int, str], calls: Mapping[int, Sequence[MadeCall]]) -> list[int]:
    """The texts so far of running answers by their primary keys, and a sign of life for each; one statement for all.

    ``calls`` are their tool calls since the last time. Returns the keys of those that are to stop: another process was
    asked for that, or the person was forgotten and the row is gone.
    """
    if calls:
        _store_calls(calls)
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
        stored = dict(cursor.fetchall())
    missing = texts.keys() - stored.keys()
    gone = missing.difference(Message.objects.filter(pk__in=missing).values_list("pk", flat=True)) if missing else ()
    return [*(pk for pk, stop_requested in stored.items() if stop_requested), *gone]


def request_stop(email: str) -> int:
    """Asks whichever processes are answering the person to stop; returns the number of running answers."""
    return _alive().filter(conversation__email=email).update(stop_requested=True)


def running_answer(email: str) -> Message | None:
    """The oldest answer in the making of the person's current conversation, by whatever process."""
    alive = _alive().filter(conversation__email=email, conversation__archived_at=None)
    return alive.order_by("sequence").first()


def _alive() -> QuerySet[Message]:
    """Answers in the making whose process lives."""
    return Message.objects.filter(status=Message.Status.STREAMING, heartbeat_at__gte=Now() - HEARTBEAT_LOST)


def runs_before(answer: Message) -> bool:
    """Whether an earlier answer to the person is still in the making, in an archived conversation too."""
    return _alive().filter(conversation__email=answer.conversation.email, pk__lt=answer.pk).exists()


def archive(email: str) -> int | None:
    """Ends the person's current conversation, its running answers are asked to stop; the next question begins another.

    Returns the conversation's primary key, None where there was nothing to archive.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE chat_conversation SET archived_at = now()
            WHERE email = %s AND email <> '' AND archived_at IS NULL AND last_sequence > 0 RETURNING id
            """,
            [email],
        )
        archived: tuple[int] | None = cursor.fetchone()
        if archived is None:
            return None
        # A statement of its own: it sees the answer of a question that the one before may have waited for.
        Message.objects.filter(conversation=archived[0], status=Message.Status.STREAMING).update(stop_requested=True)
    return archived[0]


def holds(conversation: int) -> bool:
    """Whether a conversation exists, which until the transaction ends nobody deletes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM chat_conversation WHERE id = %s FOR KEY SHARE", [conversation])
        return cursor.fetchone() is not None


def is_running(conversation: int) -> bool:
    """Whether an answer of the conversation is still in the making."""
    return _alive().filter(conversation=conversation).exists()


def close_turn(answer: int, outcome: dict[str, Any], calls: Sequence[MadeCall]) -> None:
    """Stores how an answer ended; ``outcome`` holds the message's columns. Once more is the same as once.

    What it cost is added to the month in the same statement.
    """
    values = {name: json.dumps(value) if name == "passages" else value for name, value in outcome.items()}
    columns = "".join(f", {name} = %({name})s" for name in values)
    statement = f"UPDATE chat_message SET heartbeat_at = null{columns} WHERE id = %(answer)s"
    if outcome.get("cost"):
        statement = _SPEND.format(statement) + spending.ADD
    with transaction.atomic() if calls else nullcontext(), connection.cursor() as cursor:
        cursor.execute(statement, {**values, "answer": answer, "month": spending.this_month()})
        if calls:
            _store_calls({answer: calls})


# What a statement sees is what was there before it, so that storing an end once more spends nothing more.
_SPEND = """
WITH closed AS ({} RETURNING id, conversation_id), spent AS (
    SELECT closed.id, email, %(cost)s - coalesce(before.cost, 0) AS cost
    FROM closed JOIN chat_message AS before USING (id)
    JOIN chat_conversation ON chat_conversation.id = closed.conversation_id
)"""


def _store_calls(calls: Mapping[int, Sequence[MadeCall]]) -> None:
    """Stores the calls of answers that are not stored yet; an answer that was deleted meanwhile has none."""
    rows = [_row(answer, call) for answer, made in calls.items() for call in made]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO chat_toolcall
                (message_id, position, text_offset, step, call_id, name, arguments, result, failed, duration_ms, error)
            SELECT call.* FROM jsonb_to_recordset(%s::jsonb) AS call (
                message_id bigint, position int, text_offset int, step int, call_id text, name text, arguments text,
                result text, failed boolean, duration_ms int, error text
            ) JOIN chat_message ON chat_message.id = message_id
            ORDER BY message_id, position
            FOR KEY SHARE OF chat_message
            ON CONFLICT (message_id, position) DO NOTHING
            """,
            [json.dumps(rows)],
        )


def _row(answer: int, call: MadeCall) -> dict[str, Any]:
    result = call.result
    return {
        "message_id": answer,
        "position": call.position,
        "text_offset": call.text_offset,
        "step": result.step,
        "call_id": result.call.id[:200],
        "name": result.call.name[:200],
        "arguments": result.call.arguments,
        "result": result.content,
        "failed": result.failed,
        "duration_ms": result.duration_ms,
        "error": result.error,
    }


def interrupt_orphans(own: Sequence[int] = ()) -> int:
    """Marks answers *interrupted* whose process died; their text so far stays. Returns their number.

    ``own`` are the keys of answers that this process has in the making: while the database was away it could give no
    sign of life.
    """
    lost = Message.objects.filter(status=Message.Status.STREAMING, heartbeat_at__lt=Now() - HEARTBEAT_LOST)
    return lost.exclude(pk__in=own).update(
        status=Message.Status.INTERRUPTED,
        heartbeat_at=None,
        error="The process that was answering ended.",
        error_kind="process_ended",
    )
