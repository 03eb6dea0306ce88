"""An answer in the making, and how to listen to it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from chat.agent.errors import BrokenAnswer, ProviderError

QUIET_SECONDS = 10.0


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

    async def listen(self) -> AsyncGenerator[str, None]:
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
