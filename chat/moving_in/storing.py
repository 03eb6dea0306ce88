"""Messages of a template become the beginning of a person's conversation."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Max, Min

from chat import content, storage, takeover
from chat.content import Image
from chat.models import Attachment, Conversation, Message, Person, Summary
from chat.moving_in.keys import MessageKey
from chat.moving_in.shapes import Said

# No caller can send a quotation mark in an Idempotency-Key, so nobody can take the place of an imported message.
_MARK = 'template"'
# Above all places that a conversation has, so that none is taken twice while they change.
_ASIDE, _NEW = 1_000_000_000, 500_000_000
_AT_ONCE = 100


class Busy(Exception):
    """The person is being answered at the moment, by the agent or an operator; what waits must keep its place."""


@dataclass(frozen=True)
class Added:
    added: int
    known: int


def store(
    email: str,
    keys: Sequence[MessageKey],
    read: Callable[[Sequence[MessageKey]], Iterable[tuple[MessageKey, Said]]],
    *,
    dry_run: bool = False,
) -> Added:
    """Stores the messages that are not there yet before all that was said here, in one transaction.

    ``read`` is asked for those alone. Raises `Busy`.
    """
    with transaction.atomic():
        conversation, is_new = _locked(email)
        if storage.is_running(conversation) or takeover.is_paused(email):
            raise Busy
        names = {key.name: _identity(key) for key in keys}
        kept = Message.objects.filter(conversation__email=email, idempotency_key__startswith=_MARK)
        known = set(kept.values_list("idempotency_key", flat=True))
        new = [key for key in keys if names[key.name] not in known]
        added = _insert(conversation, read(new)) if new else 0
        if added and not dry_run:
            _put_in_order(conversation)
            _date(conversation, email, is_new)
        else:
            transaction.set_rollback(True)
    return Added(added, len(keys) - len(new))


def _locked(email: str) -> tuple[int, bool]:
    """The person's current conversation, where no question gets in meanwhile; and whether it was made now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO chat_conversation (email) VALUES (%s)
            ON CONFLICT (email) WHERE email <> '' AND archived_at IS NULL
            DO UPDATE SET last_activity_at = chat_conversation.last_activity_at
            RETURNING id, xmax = 0
            """,
            [email],
        )
        return cursor.fetchone()  # type: ignore[no-any-return]


def _identity(key: MessageKey) -> str:
    return _MARK + hashlib.sha256(key.name).hexdigest()


def _insert(conversation: int, said: Iterable[tuple[MessageKey, Said]]) -> int:
    Message.objects.filter(conversation=conversation).update(sequence=F("sequence") + _ASIDE)
    added = 0
    batch: list[tuple[dict[str, Any], Said]] = []
    for key, message in said:
        added += 1
        batch.append((_row(_NEW + added, key, message), message))
        if len(batch) == _AT_ONCE:
            _write(conversation, batch)
            batch = []
    _write(conversation, batch)
    return added


def _row(sequence: int, key: MessageKey, said: Said) -> dict[str, Any]:
    blocks = [content.serialise(Image(block.name) if isinstance(block, Image) else block) for block in said.blocks]
    plain = said.role == Message.Role.ASSISTANT and all(block["type"] == "text" for block in blocks)
    return {
        "sequence": sequence,
        "role": said.role,
        "text": content.plain_text(said.blocks),
        "blocks": None if plain else blocks,
        "date": (said.date or key.time).isoformat(),
        "created_at": key.time.isoformat(),
        "idempotency_key": _identity(key),
    }


def _write(conversation: int, batch: Sequence[tuple[dict[str, Any], Said]]) -> None:
    # Not by the models, which would put now for the time.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO chat_message (conversation_id, sequence, role, text, blocks, date, created_at, idempotency_key)
            SELECT %s, row.* FROM jsonb_to_recordset(%s::jsonb) AS row (
                sequence int, role text, text text, blocks jsonb, date timestamptz, created_at timestamptz,
                idempotency_key text
            ) RETURNING sequence, id
            """,
            [conversation, json.dumps([row for row, _ in batch])],
        )
        keys = dict(cursor.fetchall())
    Attachment.objects.bulk_create(
        Attachment(message_id=keys[row["sequence"]], position=position, name=image.name, base64=image.base64)
        for row, said in batch
        for position, image in content.images(said.blocks)
    )


def _put_in_order(conversation: int) -> None:
    """First what came from the template, by its time; a question before the answer stored with it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH ordered AS (
                SELECT id, row_number() OVER (ORDER BY imported DESC, CASE WHEN imported THEN created_at END,
                    CASE WHEN imported THEN role END DESC, sequence) AS place
                FROM (SELECT *, starts_with(idempotency_key, %(mark)s) AS imported FROM chat_message) AS message
                WHERE conversation_id = %(conversation)s
            )
            UPDATE chat_message SET sequence = place FROM ordered WHERE chat_message.id = ordered.id
            """,
            {"mark": _MARK, "conversation": conversation},
        )
    # A summary says through which place it reaches, and knows nothing of what now stands before.
    Summary.objects.filter(conversation=conversation).delete()


def _date(conversation: int, email: str, is_new: bool) -> None:
    messages = Message.objects.filter(conversation=conversation)
    found = messages.aggregate(last=Max("sequence"), begun=Min("created_at"), ended=Max("created_at"))
    values = {"last_sequence": found["last"], "created_at": found["begun"]}
    if is_new:
        values["last_activity_at"] = found["ended"]
    Conversation.objects.filter(pk=conversation).update(**values)
    # Who talked here before did so there already.
    Person.objects.filter(email=email, created_at__gt=found["begun"]).update(created_at=found["begun"])
