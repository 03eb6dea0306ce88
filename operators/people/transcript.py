"""A page of a conversation, made ready to be shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from chat.models import Conversation, Message
from context.models import Chunk, Document
from operators.people.parts import Part, images_of, parts

MESSAGES = 60
"""Most messages of a page."""
_UNUSED = ("heartbeat_at", "stop_requested", "idempotency_key", "request_digest")


@dataclass(frozen=True)
class Place:
    """Which part of a conversation: before or after a sequence, around a message; without any the end."""

    before: int | None = None
    after: int | None = None
    message: int | None = None


@dataclass(frozen=True)
class Given:
    """A passage that an answer was given. A document or chunk of None is not there any more."""

    title: str
    source: str
    heading: str
    score: float | None
    document: int | None
    chunks: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Shown:
    message: Message
    parts: list[Part]
    passages: list[Given]

    @property
    def tokens(self) -> int:
        return (self.message.prompt_tokens or 0) + (self.message.completion_tokens or 0)

    @property
    def is_answer(self) -> bool:
        return self.message.role == Message.Role.ASSISTANT

    @property
    def can_be_asked_again(self) -> bool:
        return self.is_answer and not self.message.author and self.message.status != Message.Status.STREAMING


@dataclass(frozen=True)
class Page:
    """``earlier`` and ``later`` are the sequences that the neighbouring pages end or begin beside."""

    messages: list[Shown]
    earlier: int | None
    later: int | None


def page(conversation: Conversation, place: Place) -> Page:
    """The messages there, in five queries however many they are, and two more for a place around a message."""
    found = _there(conversation.messages.order_by(), place)
    shown = ready(found[:MESSAGES])
    if not shown:
        return Page([], None, None)
    first, last = shown[0].message.sequence, shown[-1].message.sequence
    return Page(shown, first if first > 1 else None, last if last < conversation.last_sequence else None)


def _there(messages: QuerySet[Message], place: Place) -> list[Message]:
    messages = messages.defer(*_UNUSED).prefetch_related("tool_calls")
    if place.message is not None:
        middle = messages.filter(pk=place.message).values_list("sequence", flat=True).first()
        if middle is not None:
            begin = messages.filter(sequence__lt=middle).order_by("-sequence").values_list("sequence", flat=True)
            first = min([middle, *begin[: MESSAGES // 2]])
            return list(messages.filter(sequence__gte=first).order_by("sequence")[:MESSAGES])
    if place.after is not None:
        return list(messages.filter(sequence__gt=place.after).order_by("sequence")[:MESSAGES])
    if place.before is not None:
        messages = messages.filter(sequence__lt=place.before)
    return list(messages.order_by("-sequence")[:MESSAGES])[::-1]


def ready(messages: Iterable[Message]) -> list[Shown]:
    """The messages with what is shown of them."""
    messages = list(messages)
    images = images_of(messages)
    given = passages([message.passages for message in messages])
    return [Shown(message, parts(message, images), given[place]) for place, message in enumerate(messages)]


def passages(noted: list[list[dict[str, Any]]]) -> list[list[Given]]:
    """What answers note of their passages, with what of it is still there; two queries for all."""
    every = [passage for notes in noted for passage in notes]
    documents = set(
        Document.objects.filter(pk__in={passage.get("document") for passage in every}).values_list("pk", flat=True)
    )
    keys = {chunk for passage in every for chunk in passage.get("chunks", ())}
    chunks = dict(Chunk.objects.filter(pk__in=keys).values_list("pk", "position"))
    return [[_given(passage, documents, chunks) for passage in notes] for notes in noted]


def _given(passage: dict[str, Any], documents: set[int], chunks: dict[int, int]) -> Given:
    document = passage.get("document")
    return Given(
        title=passage.get("title", ""),
        source=passage.get("source", ""),
        heading=passage.get("heading", ""),
        score=passage.get("score"),
        document=document if document in documents else None,
        chunks=tuple((chunk, chunks[chunk]) for chunk in passage.get("chunks", ()) if chunk in chunks),
    )
