"""Reads of a conversation: what the window shows, and what the model gets."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Q, prefetch_related_objects
from django.utils import timezone

from chat.agent.prompt import ModelRequest, Passage, PromptMessage, fill_in
from chat.content import Image, serialise
from chat.memory import Memory
from chat.models import Message
from chat.prompts import InForce
from chat.window import Window
from context.passages import FoundPassage


def page(email: str, limit: int | None = None, before: int | None = None) -> list[Message]:
    """The newest messages of a person's current conversation, oldest first; ``before`` is a sequence number.

    An answer that has no text (yet) is left out, and a question that was asked again under its idempotency key. Only
    messages that hold images read any.
    """
    messages = (
        Message.objects.filter(conversation__email=email, conversation__archived_at=None)
        .exclude(Q(role=Message.Role.ASSISTANT) & Q(text=""))
        .exclude(Q(idempotency_key="") & ~Q(request_digest=""))
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
    question: Message, prompt: InForce, found: Iterable[FoundPassage], given: Window, memory: Memory
) -> ModelRequest:
    """What the model is asked."""
    system = fill_in(
        prompt.system,
        agent_name=settings.APP_NAME,
        today=timezone.localdate().isoformat(),
        user_email=question.conversation.email or "unknown",
    )
    return ModelRequest(
        system=system,
        messages=tuple(_joined(given.messages)),
        passages=tuple(Passage(item.title, item.source, item.text, item.heading) for item in found),
        temperature=prompt.temperature,
        max_tokens=prompt.max_tokens,
        facts=memory.facts,
        summary=memory.summary,
    )


def _joined(messages: Iterable[PromptMessage]) -> list[PromptMessage]:
    """Neighbours of one role as one message: some providers refuse two in a row, as after an answer that failed."""
    joined: list[PromptMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = PromptMessage(message.role, joined[-1].blocks + message.blocks)
        else:
            joined.append(message)
    return joined
