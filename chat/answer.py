"""An answer in the making, and how to listen to it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol

from django.db import InterfaceError, OperationalError

from ccagent.database import in_database
from chat.agent.errors import DATABASE_AWAY, RESTARTING, BrokenAnswer, ProviderError, Stopped, Unavailable
from chat.models import Message

QUIET_SECONDS = 10.0
LOOK_SECONDS = 1.0
LOST_SECONDS = 25.0
"""Longest that a stored answer is listened to while the database is away."""


class Answer(Protocol):
    """What somebody who waits for an answer can do. All three raise ``ProviderError`` for one that broke off."""

    async def opened(self) -> None:
        """Waits for the first piece, or the end without one."""

    def listen(self) -> AsyncIterator[str]:
        """The text from its start, as it comes; an empty string after 10 s of quiet."""

    async def finished(self) -> str:
        """The whole text."""


class RunningAnswer:
    """The text so far; any number of listeners may follow it, each from the start and at its own pace.

    ``error`` says why an ended answer has no text, or broke off.
    """

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self.error: ProviderError | None = None
        self.ended = False
        self._pieces: list[str] = []
        self._length = 0
        self._changed = asyncio.Event()

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def add(self, text: str) -> None:
        """The next piece; raises ``BrokenAnswer`` where the answer grows beyond its limit."""
        self._pieces.append(text[: self._max_chars - self._length])
        self._length += len(text)
        self._wake()
        if self._length > self._max_chars:
            raise BrokenAnswer(
                f"longer than {self._max_chars} characters",
                sentence="The answer was too long and was cut: ask for less at once.",
            )

    def end(self, error: ProviderError | None = None) -> None:
        self.error = error
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def opened(self) -> None:
        """Waits for the first piece; raises ``ProviderError`` where the answer ends without one."""
        while not (self._pieces or self.ended):
            await self._changed.wait()
        if not self._pieces and self.error:
            raise self.error

    async def listen(self) -> AsyncIterator[str]:
        """The pieces, those that came together as one; an empty string after 10 s of quiet.

        Raises ``ProviderError`` at the end of an answer that broke off.
        """
        seen = 0
        while seen < len(self._pieces) or not self.ended:
            if seen < len(self._pieces):
                pieces, seen = self._pieces[seen:], len(self._pieces)
                yield "".join(pieces)
            elif await self._is_quiet():
                yield ""
        if self.error:
            raise self.error

    async def _is_quiet(self) -> bool:
        """Waits for a change; true where none came for 10 s."""
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return True
        return False

    async def over(self) -> None:
        """Waits for the end, whatever it is."""
        while not self.ended:
            await self._changed.wait()

    async def finished(self) -> str:
        """The whole answer; raises ``ProviderError``."""
        await self.over()
        if self.error:
            raise self.error
        return self.text


class StoredAnswer:
    """An answer that another process makes or made, heard out of its stored text, a second or so behind."""

    process_ends = False
    """Set once for all listeners, who would otherwise be cut off without a word."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._looked_at = time.monotonic()

    async def opened(self) -> None:
        while self._message.status == Message.Status.STREAMING and not self._message.text:
            await self._look_again()
        if not self._message.text:
            self._raise_what_went_wrong()

    async def listen(self) -> AsyncIterator[str]:
        seen, quiet = 0, 0.0
        while True:
            if new := self._message.text[seen:]:
                seen, quiet = seen + len(new), 0
                yield new
            if self._message.status != Message.Status.STREAMING:
                break
            await self._look_again()
            quiet += LOOK_SECONDS
            if quiet >= QUIET_SECONDS:
                quiet = 0
                yield ""
        self._raise_what_went_wrong()

    async def finished(self) -> str:
        while self._message.status == Message.Status.STREAMING:
            await self._look_again()
        self._raise_what_went_wrong()
        return self._message.text

    async def _look_again(self) -> None:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await in_database(self._message.refresh_from_db, fields=["text", "status"])
            self._looked_at = time.monotonic()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() - self._looked_at > LOST_SECONDS:
                raise Unavailable(repr(error), sentence=DATABASE_AWAY, retry_after=5) from error
        if self.process_ends and self._message.status == Message.Status.STREAMING:
            raise Unavailable(sentence=RESTARTING, retry_after=5)

    def _raise_what_went_wrong(self) -> None:
        if self._message.status in (Message.Status.INTERRUPTED, Message.Status.FAILED):
            raise Unavailable(sentence="The answer broke off: ask again.", retry_after=1)
        if self._message.status == Message.Status.STOPPED and not self._message.text:
            raise Stopped()
