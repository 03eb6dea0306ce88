"""Reads of a conversation: what the window shows, and what the model gets."""

import json
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, prefetch_related_objects
from django.utils import timezone

from ccagent.text import estimated_tokens
from chat.agent.prompt import ModelRequest, Passage, PromptMessage, fill_in, words
from chat.content import Block, Image, Text, deserialise, serialise
from chat.models import Message
from chat.prompts import InForce
from context.passages import FoundPassage

_PROMPT_ROWS = 200
"""Most messages looked at for a prompt: more than a usual token budget holds."""


def page(email: str, limit: int | None = None, before: int | None = None) -> list[Message]:
    """The newest messages of a person, oldest first; ``before`` is a sequence number.

    An answer that has no text (yet) is left out. Only messages that hold images read any.
    """
    messages = (
        Message.objects.filter(conversation__email=email)
        .exclude(Q(role=Message.Role.ASSISTANT) & Q(text=""))
        .only("sequence", "role", "text", "blocks", "date", "passages")
        .order_by("-sequence")
    )
    if before is not None:
        messages = messages.filter(sequence__lt=before)
    found = list(messages if limit is None else messages[:limit])
    prefetch_related_objects([message for message in found if message.has_images], "attachments")
    return found[::-1]


def agent_message(message: Message) -> dict[str, Any]:
    """A message in the contract's shape ``AgentMessage``, its blocks the very ones that came."""
    blocks = message.content
    if message.has_images:
        for image in message.attachments.all():
            blocks[image.position] = Image(image.name, image.base64)
    shown = {
        "role": message.role,
        "content": [serialise(block) for block in blocks],
        "date": message.date.isoformat().replace("+00:00", "Z"),
    }
    found = sources(message)
    return {**shown, "sources": found} if found else shown


def sources(message: Message) -> list[dict[str, Any]]:
    """The documents whose passages an answer was given, the best first; none where the operator keeps them in."""
    if not settings.ENV.include_sources:
        return []
    documents: dict[int, dict[str, Any]] = {}
    for passage in message.passages:
        documents.setdefault(passage["document"], passage)
    names = ("title", "source", "document")
    return [{name: passage.get(name, "") for name in names} for passage in documents.values()]


def model_request(
    question: Message,
    blocks: Iterable[Block],
    prompt: InForce,
    found: Iterable[FoundPassage],
    earlier: Iterable[PromptMessage],
) -> ModelRequest:
    """What the model is asked; of the ``earlier`` messages, newest first, as many as the budget holds."""
    system = fill_in(
        prompt.system,
        agent_name=settings.APP_NAME,
        today=timezone.localdate().isoformat(),
        user_email=question.conversation.email or "unknown",
    )
    kept = _within_budget(earlier, settings.ENV.history_tokens)
    return ModelRequest(
        system=system,
        messages=tuple(_joined([*kept, PromptMessage("user", _with_words(blocks))])),
        passages=tuple(Passage(item.title, item.source, item.text, item.heading) for item in found),
        temperature=prompt.temperature,
        max_tokens=prompt.max_tokens,
    )


def before(question: Message) -> list[PromptMessage]:
    """The messages before a question, newest first, without answers that have no text or are in the making."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT role, text, blocks FROM chat_message
            WHERE conversation_id = %s AND sequence < %s AND status <> 'streaming' AND (text <> '' OR role = 'user')
            ORDER BY sequence DESC LIMIT %s
            """,
            [question.conversation_id, question.sequence, _PROMPT_ROWS],
        )
        return [PromptMessage(role, _said(text, blocks)) for role, text, blocks in cursor.fetchall()]


def _said(text: str, blocks: str | None) -> tuple[Block, ...]:
    said = map(deserialise, json.loads(blocks)) if blocks else [Text(text)]
    return _with_words(map(_without_image, said))


def _within_budget(newest_first: Iterable[PromptMessage], budget: int) -> list[PromptMessage]:
    """As many of the newest messages as the budget of tokens holds, oldest first; no answer without its question."""
    kept: list[PromptMessage] = []
    for message in newest_first:
        budget -= estimated_tokens(words(message.blocks))
        if budget < 0:
            break
        if message.blocks:
            kept.insert(0, message)
    while kept and kept[0].role == "assistant":
        kept.pop(0)
    return kept


def _without_image(block: Block) -> Block:
    """An image by its name alone: a model that saw it once has answered."""
    return Text(words((block,))) if isinstance(block, Image) else block


def _with_words(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Without blank texts, which providers refuse; the window sends one along with an image."""
    return tuple(block for block in blocks if words((block,)).strip())


def _joined(messages: Iterable[PromptMessage]) -> list[PromptMessage]:
    """Neighbours of one role as one message: some providers refuse two in a row, as after an answer that failed."""
    joined: list[PromptMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = PromptMessage(message.role, joined[-1].blocks + message.blocks)
        else:
            joined.append(message)
    return joined
