"""An answer in the making, and how to listen to it."""

import asyncio
from collections.abc import AsyncIterator

from chat.agent.errors import BrokenAnswer, ProviderError

QUIET_SECONDS = 10.0


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

    async def finished(self) -> str:
        """The whole answer; raises ``ProviderError``."""
        while not self.ended:
            await self._changed.wait()
        if self.error:
            raise self.error
        return self.text
