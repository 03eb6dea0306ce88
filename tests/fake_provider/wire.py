"""The objects of the chat-completions API as they travel."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from .request import Request, text_of

DONE = b"data: [DONE]\n\n"


def encode(value: object) -> bytes:
    """Compact JSON; lone surrogates, which UTF-8 cannot hold, as escapes."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def event(value: object) -> bytes:
    return b"data: %b\n\n" % encode(value)


class Completion:
    """Writes one answer's chunks, or the whole of it as a single object."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._common = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": request.json["model"],
            "system_fingerprint": None,
        }

    def chunk(self, delta: object, finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self.bare_chunk([choice], **more)

    def bare_chunk(self, choices: object, **more: object) -> bytes:
        usage = {"usage": None} if self.request.wants_usage else {}
        return event({"object": "chat.completion.chunk", **self._common, "choices": choices, **usage, **more})

    def whole(self, message: object, finish: str | None, tokens: int) -> bytes:
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return self.bare_whole([choice], usage=self.usage(tokens))

    def bare_whole(self, choices: object, **more: object) -> bytes:
        return encode({"object": "chat.completion", **self._common, "choices": choices, **more})

    def ending(self, finish: str | None, tokens: int) -> Sequence[bytes]:
        """The chunks after the last text: the finish reason, and the usage where this vendor reports it."""
        usage = self.usage(tokens)
        if self.request.vendor.usage == "last chunk":
            return [self.chunk({"content": ""}, finish, usage=usage)]
        if self.request.vendor.usage == "x_groq":
            return [self.chunk({}, finish, x_groq={"id": "req_1", "usage": usage})]
        asked = [self.bare_chunk([], usage=usage)] if self.request.wants_usage else []
        return [self.chunk({}, finish), *asked]

    def usage(self, tokens: int) -> Mapping[str, Any]:
        prompt = sum(len(text_of(message).split()) for message in self.request.messages)
        return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
