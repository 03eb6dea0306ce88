"""A template's message, as it is written down there, becomes one of ours."""

import base64
import binascii
import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ccagent.text import clean
from chat import content
from chat.content import Block, File, Image, Text
from chat.models import Message
from chat.moving_in.keys import moment
from context.prepare import Unreadable, prepare

_ROLES = {
    "user": Message.Role.USER,
    "human": Message.Role.USER,
    "humanmessage": Message.Role.USER,
    "humanmessagechunk": Message.Role.USER,
    "assistant": Message.Role.ASSISTANT,
    "ai": Message.Role.ASSISTANT,
    "aimessage": Message.Role.ASSISTANT,
    "aimessagechunk": Message.Role.ASSISTANT,
    "model": Message.Role.ASSISTANT,
}
# What an agent says to itself; nobody was shown it.
_INWARD = {"system", "developer", "tool", "function", "systemmessage", "toolmessage", "functionmessage"}


class Unusable(Exception):
    """No message; the words say why."""


class Inward(Exception):
    """A message of the template's own, such as a tool's result."""


@dataclass(frozen=True)
class Said:
    """``date`` is None where the message names none; ``losses`` say what of it could not be kept as it was."""

    role: Message.Role
    blocks: tuple[Block, ...]
    date: datetime.datetime | None
    losses: tuple[str, ...] = ()


def read(value: bytes) -> Said:
    """An agent message of the templates, or a message as LangChain stores them. Raises `Unusable` and `Inward`."""
    try:
        message = json.loads(value)
    except (ValueError, RecursionError):
        raise Unusable("is no JSON") from None
    if not isinstance(message, dict):
        raise Unusable("is no message")
    fields = _fields(message)
    role = _role(message, fields)
    losses: list[str] = []
    blocks = tuple(_blocks(fields.get("content", fields.get("text", fields.get("message"))), losses))
    if not any(isinstance(block, Image) or block.text.strip() for block in blocks) and not losses:
        raise Unusable("is empty")
    named = (fields.get(name, message.get(name)) for name in ("date", "createdAt", "created_at", "timestamp"))
    return Said(role, blocks, next(filter(None, map(moment, named)), None), tuple(losses))


def _fields(message: dict[str, Any]) -> dict[str, Any]:
    """Where the content stands: LangChain has it in `data`, or in the `kwargs` of a constructor."""
    inner = message.get("kwargs") or message.get("data")
    return inner if isinstance(inner, dict) else message


def _role(message: dict[str, Any], fields: dict[str, Any]) -> Message.Role:
    path = message.get("id")
    names = [message.get("role"), path[-1] if isinstance(path, list) and path else None, message.get("type")]
    for name in (*names, fields.get("role"), fields.get("type")):
        known = name.lower() if isinstance(name, str) else ""
        if known in _ROLES:
            return _ROLES[known]
        if known in _INWARD:
            raise Inward
    raise Unusable("does not say whose it is")


def _blocks(value: Any, losses: list[str]) -> Iterator[Block]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield Text(clean(item))
        elif isinstance(item, dict):
            yield from _block(item, losses)
        elif item is not None:
            losses.append("a part that is no block")


def _block(item: dict[str, Any], losses: list[str]) -> Iterator[Block]:
    name = clean(item["name"])[:1000] if isinstance(item.get("name"), str) else ""
    match item.get("type"):
        case "image" | "image_url":
            yield from _image(name, item, losses)
        case "file" | "file_url":
            yield from _file(name, item, losses)
        case _ if isinstance(item.get("text"), str):
            yield Text(clean(item["text"]))
        case "tool_use" | "tool_call" | "thinking" | "reasoning":
            pass
        case kind:
            losses.append(f"a part of the kind {str(kind)[:50]}")


def _image(name: str, item: dict[str, Any], losses: list[str]) -> Iterator[Block]:
    data = item.get("base64") or item.get("image_url")
    data = data.get("url") if isinstance(data, dict) else data
    try:
        blocks = content.parse([{"type": "image", "name": name, "base64": data}])
        yield from (block for block in blocks if isinstance(block, Image))
    except content.InvalidContent:
        losses.append("an image that is none")
        yield Text(f"[Image {name}: it could not be read]")


def _file(name: str, item: dict[str, Any], losses: list[str]) -> Iterator[Block]:
    """The templates keep a file's bytes; ours its text."""
    if isinstance(text := item.get("text"), str):
        yield File(name, clean(text))
        return
    data = item.get("base64") or item.get("file_url")
    try:
        encoded = data.partition(";base64,")[2] or data if isinstance(data, str) else ""
        yield File(name, prepare(base64.b64decode(encoded, validate=True), name=name).text)
    except (binascii.Error, ValueError, Unreadable):
        losses.append("a file without a text that can be read")
        yield Text(f"[File {name}: it could not be read]")
