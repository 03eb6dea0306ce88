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
        self._pieces: list[str] = []
        self._length = 0
        self._begun = asyncio.Event()
        self._over = asyncio.Event()
        self._listeners: list[_Listener] = []

    @property
    def ended(self) -> bool:
        return self._over.is_set()

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def add(self, text: str) -> None:
        """The next piece; raises ``BrokenAnswer`` where the answer grows beyond its limit."""
        self._pieces.append(text[: self._max_chars - self._length])
        self._length += len(text)
        self._begun.set()
        self._wake()
        if self._length > self._max_chars:
            raise BrokenAnswer(
                f"longer than {self._max_chars} characters",
                sentence="The answer was too long and was cut: ask for less at once.",
            )

    def end(self, error: ProviderError | None = None) -> None:
        self.error = error
        self._begun.set()
        self._over.set()
        self._wake()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.wake()

    async def opened(self) -> None:
        """Waits for the first piece; raises ``ProviderError`` where the answer ends without one."""
        await self._begun.wait()
        if not self._pieces and self.error:
            raise self.error

    async def listen(self) -> AsyncIterator[str]:
        """The pieces, those that came together as one; an empty string after 10 s of quiet.

        Raises ``ProviderError`` at the end of an answer that broke off.
        """
        seen = 0
        listener = _Listener()
        self._listeners.append(listener)
        try:
            while seen < len(self._pieces) or not self.ended:
                if seen < len(self._pieces):
                    pieces, seen = self._pieces[seen:], len(self._pieces)
                    yield "".join(pieces)
                elif not await listener.change():
                    yield ""
        finally:
            self._listeners.remove(listener)
            listener.close()
        if self.error:
            raise self.error

    async def over(self) -> None:
        """Waits for the end, whatever it is."""
        await self._over.wait()

    async def finished(self) -> str:
        """The whole answer; raises ``ProviderError``."""
        await self.over()
        if self.error:
            raise self.error
        return self.text


class _Listener:
    """Somebody's wait for changes, with one timer for all of it: one for each token would cost more than the token."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[bool] | None = None
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(QUIET_SECONDS, self._look)

    async def change(self) -> bool:
        """Waits for a change; false where none came for 10 s."""
        self._waiter = self._loop.create_future()
        changed = await self._waiter
        self._heard_at = self._loop.time()
        return changed

    def wake(self, changed: bool = True) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(changed)

    def _look(self) -> None:
        left = self._heard_at + QUIET_SECONDS - self._loop.time()
        if left <= 0:
            self.wake(changed=False)
        self._timer = self._loop.call_later(left if left > 0 else QUIET_SECONDS, self._look)

    def close(self) -> None:
        self._timer.cancel()


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
            await in_database(self._message.refresh_from_db, fields=["text", "status", "passages"])
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
