"""One request as the fake provider received it."""

import json
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .vendors import OPENAI, Vendor


@dataclass(eq=False)
class Request:
    """What came, and how its connection ended. Header names are lower case; times are of `time.monotonic`."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    vendor: Vendor = OPENAI
    closed_early: bool = False
    received_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)

    @cached_property
    def json(self) -> Any:
        """The body, parsed; raises ValueError when it is not JSON in UTF-8."""
        return json.loads(self.body.decode())

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.json["messages"]  # type: ignore[no-any-return]

    @property
    def is_stream(self) -> bool:
        return bool(self.json.get("stream"))

    @property
    def wants_usage(self) -> bool:
        return bool((self.json.get("stream_options") or {}).get("include_usage"))

    @property
    def question(self) -> str:
        """The text of the last user message."""
        return next((text_of(message) for message in reversed(self.messages) if message["role"] == "user"), "")

    def end(self, *, closed_early: bool = False) -> None:
        self.closed_early = closed_early
        self.ended_at = time.monotonic()
        self._ended.set()

    def wait_until_ended(self, timeout: float = 10.0) -> None:
        """Blocks until it was answered whole or its connection is gone; TimeoutError after that many seconds."""
        if not self._ended.wait(timeout):
            raise TimeoutError(f"{self.method} {self.path} still runs after {timeout} s")


def text_of(message: dict[str, Any]) -> str:
    """The text of a message whose content may be null, a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part.get("type") == "text")
