"""The OpenAI-compatible wire format: a prompt as JSON, and the lines of a streamed answer as events."""

import json
import re
import secrets
import string
from collections.abc import Iterator
from typing import Any, TypeGuard

from ccagent.text import clean
from chat.agent.errors import BrokenAnswer
from chat.agent.events import Finished, ModelEvent, TextDelta, ToolCallRequest, Usage
from chat.agent.prompt import ModelRequest, PromptMessage, words
from chat.content import Image

MAX_LINE_BYTES = 4 * 1024 * 1024
"""Longest line of an answer that is read; a provider's own lines are a few hundred bytes."""
MAX_CALL_CHARS = 1_000_000
"""Most that is read of one answer's tool calls."""
MAX_TOKENS = 100_000_000
"""Most tokens that are believed of one model call."""


def messages(request: ModelRequest) -> list[dict[str, Any]]:
    """The request's messages, the instructions first."""
    return [{"role": "system", "content": request.instructions}, *map(_message, request.messages)]


def _message(message: PromptMessage) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": words(message.blocks)}
    if message.tool_calls:
        calls = [_tool_call(call) for call in message.tool_calls]
        return {"role": "assistant", "content": words(message.blocks) or None, "tool_calls": calls}
    if any(isinstance(block, Image) for block in message.blocks):
        return {"role": message.role, "content": [_part(block) for block in message.blocks]}
    return {"role": message.role, "content": words(message.blocks)}


def _part(block: Any) -> dict[str, Any]:
    if isinstance(block, Image):
        return {"type": "image_url", "image_url": {"url": block.data_url}}
    return {"type": "text", "text": words((block,))}


def _tool_call(call: ToolCallRequest) -> dict[str, Any]:
    """A model's call on its way back, in a form that its vendor takes whatever the model made of it."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", call.name[:64]) or "unknown"
    function = {"name": name, "arguments": call.arguments if _is_object(call.arguments) else "{}"}
    extra = {"extra_content": call.extra} if call.extra else {}
    return {"id": call.id, "type": "function", "function": function, **extra}


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False


def _start_of_text(line: bytes | bytearray) -> str:
    """The words in the beginning of a line too long to be read whole: the answer is cut there, not lost."""
    # Possessive, or the way back through megabytes would be remembered.
    found = re.match(rb'data:.*?"content": ?"((?:[^"\\]++|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt])++)', line)
    if not found:
        return ""
    return clean(str(json.loads(b'"%b"' % found[1].decode(errors="ignore").encode(), strict=False)))


class AnswerReader:
    """Reads one streamed answer as its bytes come; the library's own objects would cost 85 µs a chunk.

    Raises ``BrokenAnswer`` for whatever is no answer; one that ends without a ``finish_reason`` broke off.
    """

    def __init__(self) -> None:
        self._calls = ToolCallAssembler()
        self._reason = ""
        self._usage: Usage | None = None
        self._rest = bytearray()
        self._half = ""
        self._seen = False

    def feed(self, data: bytes) -> Iterator[TextDelta]:
        """The text in the next bytes, all of it as one event."""
        self._rest += data
        lines: list[bytes] = []
        if b"\n" in data:
            *lines, tail = bytes(self._rest).split(b"\n")
            self._rest = bytearray(tail)
        texts: list[str] = []
        try:
            for line in lines:
                texts.append(self._read(line))
            if len(self._rest) > MAX_LINE_BYTES:
                texts.append(_start_of_text(self._rest))
                raise BrokenAnswer("a line of the answer is longer than 4 MB")
        finally:
            # What came whole before a broken line is part of the answer.
            if text := "".join(texts):
                yield TextDelta(text)

    def end(self) -> Iterator[ModelEvent]:
        """What can be told only now: the tool calls, whole, the usage if there is one, and ``Finished``."""
        # The last line may lack its end; a character that was waiting for its second half does not get it any more.
        text = self._read(bytes(self._rest)) + clean(self._half)
        if text:
            yield TextDelta(text)
        if not self._reason:
            raise BrokenAnswer("the answer ended without a finish_reason")
        yield from self._calls.whole()
        if self._usage:
            yield self._usage
        yield Finished(self._reason)

    def _read(self, line: bytes) -> str:
        """The text in one line."""
        line = line.strip()
        if not line.startswith(b"data:"):
            self._check_stray(line)
            return ""
        data = line[5:].strip()
        if data == b"[DONE]":
            return ""
        try:
            return self._text_of(json.loads(data))
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError) as error:
            raise BrokenAnswer(f"a chunk that cannot be read ({type(error).__name__}): {data[:500]!r}") from error

    def _check_stray(self, line: bytes) -> None:
        """Comments, event names and blank lines are part of the format; anything else is another kind of body."""
        if line and not self._seen and not line.startswith((b":", b"event:", b"id:", b"retry:")):
            raise BrokenAnswer(f"not an event stream: {line[:500]!r}")

    def _text_of(self, chunk: dict[str, Any]) -> str:
        if chunk.get("error"):
            raise BrokenAnswer(f"an error in the answer: {json.dumps(chunk['error'])[:500]}")
        self._seen = True
        # Some tell a running total with every chunk; Groq tells it in a field of its own.
        if usage := chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage"):
            self._usage = _usage(usage) or self._usage
        choices = chunk.get("choices") or []
        if not choices:
            return ""
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._reason = clean(reason)
        delta = choice.get("delta") or ({} if self._reason else choice["delta"])
        for piece in delta.get("tool_calls") or ():
            self._calls.add(piece)
        return self._joined(_text(delta.get("content")))

    def _joined(self, text: str) -> str:
        """The text fit for storage; a surrogate pair that two chunks share becomes the character that it means."""
        if text and self._half:
            text = (self._half + text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            self._half = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            self._half, text = text[-1], text[:-1]
        return clean(text)


def _usage(usage: Any) -> Usage | None:
    """The tokens of a chunk that tells them; a count that cannot be one spoils no answer."""
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    counts = [usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    believable = any(counts[:2]) and all(map(_is_count, counts))
    if not believable:
        return None
    # Gemini and Grok leave a model's reasoning out of what it wrote, and sell it all the same.
    written = max(counts[1], counts[2] - counts[0])
    return Usage(counts[0], written, cached_tokens=cached if _is_count(cached) else 0)


def _is_count(count: Any) -> TypeGuard[int]:
    return isinstance(count, int) and 0 <= count <= MAX_TOKENS


def _text(content: Any) -> str:
    """The words of a delta; Mistral's reasoning models send a list of parts, thinking among them."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


class ToolCallAssembler:
    """Puts streamed tool calls together.

    OpenAI sends a call's id and name once and then pieces by index; Gemini sends whole calls without an index, or
    with the same one for all, so a new id or name starts a new call.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._length = 0

    def add(self, piece: dict[str, Any]) -> None:
        self._length += len(str(piece))
        if self._length > MAX_CALL_CHARS:
            raise BrokenAnswer("tool calls without end")
        function = piece.get("function") or {}
        call_id = clean(piece.get("id") or "")
        call = self._belongs_to(call_id, function.get("name"), piece.get("index"))
        if call is None:
            call = {"id": call_id, "index": piece.get("index"), "name": "", "arguments": "", "extra": {}}
            self._calls.append(call)
        call["name"] = call["name"] or clean(function.get("name") or "")
        arguments = function.get("arguments") or ""
        # Some local servers send an object where the format has its JSON.
        call["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
        call["extra"].update(piece.get("extra_content") or {})

    def _belongs_to(self, call_id: str, name: str | None, index: int | None) -> dict[str, Any] | None:
        """The call that a piece continues, none if it starts one."""
        if call_id:
            return next(
                (call for call in self._calls if call["id"] == call_id and name in (None, "", call["name"])), None
            )
        if name or not self._calls:
            return None
        same_index = [call for call in self._calls if index is not None and call["index"] == index]
        return (same_index or self._calls)[-1]

    def whole(self) -> list[ToolCallRequest]:
        """The calls, each with an id of its own, by which its result finds back."""
        whole: list[ToolCallRequest] = []
        taken: set[str] = {""}
        for call in self._calls:
            call_id = call["id"] if call["id"] not in taken else _new_id()
            taken.add(call_id)
            whole.append(ToolCallRequest(call_id, call["name"], clean(call["arguments"]), call["extra"]))
        return whole


def _new_id() -> str:
    """Nine letters and digits: the only form of a tool call's id that Mistral takes, and no other provider refuses."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(9))
