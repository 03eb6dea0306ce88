"""What a message is made of, in its order, as the transcript shows it."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import TypedDict

from django.db.models.functions import Left
from django.utils.safestring import SafeString

from chat.content import File, Image, Text
from chat.models import Attachment, Message, ToolCall
from operators.people.markup import plain, rendered

_SHOWN = re.compile(r"(?:data:image/(?:png|jpeg|gif|webp)[;,]|(?!data:))", re.IGNORECASE)


class Part(TypedDict, total=False):
    """``kind`` is text, image, file or call; an image's ``shown`` says whether a browser may show it."""

    kind: str
    html: SafeString
    name: str
    text: str
    image: int
    shown: bool
    call: ToolCall
    arguments: str


Images = Mapping[tuple[int, int], tuple[int, str]]


def images_of(messages: Iterable[Message]) -> dict[tuple[int, int], tuple[int, str]]:
    """Key and first characters of the images, by message and position; their data stays where it is. One query."""
    found = Attachment.objects.filter(message__in=[message.pk for message in messages])
    rows = found.annotate(head=Left("base64", 40)).values_list("message_id", "position", "pk", "head")
    return {(message, position): (pk, head) for message, position, pk, head in rows}


def parts(message: Message, images: Images) -> list[Part]:
    """Blocks of a question; of an answer its text, with the tool calls where they were made."""
    if message.role == Message.Role.USER:
        return _blocks(message, images)
    found: list[Part] = []
    begin = 0
    for call in message.tool_calls.all():
        found += _text(message.text[begin : call.text_offset])
        begin = max(begin, call.text_offset)
        found.append({"kind": "call", "call": call, "arguments": readable(call.arguments)})
    return found + _text(message.text[begin:])


def _text(text: str) -> list[Part]:
    return [{"kind": "text", "html": rendered(text)}] if text.strip() else []


def _blocks(message: Message, images: Images) -> list[Part]:
    found: list[Part] = []
    for position, block in enumerate(message.content):
        match block:
            case Text():
                found.append({"kind": "text", "html": plain(block.text)})
            case File():
                found.append({"kind": "file", "name": block.name, "text": block.text})
            case Image():
                pk, head = images.get((message.pk, position), (0, ""))
                shown = bool(pk and _SHOWN.match(head))
                found.append({"kind": "image", "name": block.name, "image": pk, "shown": shown})
    return found


def readable(arguments: str) -> str:
    """A call's arguments on one line, without the outer braces where they are an object."""
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    if not isinstance(given, dict):
        return arguments
    return ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in given.items())
