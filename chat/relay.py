"""Passes answers on to other processes, piece by piece, where somebody joined them there.

A process where somebody listens to another one's answer asks all processes for it, every two seconds. The one that
makes it sends what is missing there, and then each piece. Nothing here waits for anybody: what gets lost on the way is
in the database a second later.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Protocol

from channels.layers import get_channel_layer

from chat import live
from chat.agent.errors import ProviderError

ASK_SECONDS = 2.0
LEASE_SECONDS = 10.0
"""How long an answer is passed on to a process that does not ask again: those who joined may have gone, or it died."""
_LONGEST_PAUSE_SECONDS = 60.0
_EVERYBODY = "answers"


class Running(Protocol):
    """An answer that this process makes."""

    def listen(self) -> AsyncGenerator[str, None]: ...


class Heard:
    """What is known here of an answer that another process makes, from wherever it came."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._seen = len(text)
        self._ended = False
        self._changed = asyncio.Event()

    def add(self, at: int, piece: str) -> None:
        """A piece and the number of characters before it; left out if it brings nothing new, or would leave a gap."""
        if 0 <= at <= len(self.text) < at + len(piece):
            self.text = self.text[:at] + piece
            self._changed.set()

    def end(self) -> None:
        """No more pieces come; what became of the answer is in the database."""
        self._ended = True
        self._changed.set()

    async def more(self, seconds: float) -> bool:
        """Waits for more text; false after so many seconds without it, and, once, at the end."""
        if len(self.text) == self._seen and not self._ended:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        before, self._seen = self._seen, len(self.text)
        if self._seen == before:
            self._ended = False
        return self._seen > before


class Relay:
    """Both sides for one process; without `run` it does nothing.

    ``find`` knows the answers made here by message, ``look`` lets those who wait for an operator look anew.
    """

    def __init__(self, find: Callable[[int], Running | None], look: Callable[[], None]) -> None:
        self._find = find
        self._look = look
        self._group = f"answers.{uuid.uuid4().hex}"
        self._is_on = False
        self._heard: dict[int, list[Heard]] = {}
        self._passing: dict[tuple[int, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """For as long as the process lives: takes what other processes ask and tell."""
        self._is_on = True
        channel = await self._channel()
        while True:
            self._take(await get_channel_layer().receive(channel))

    async def _channel(self) -> str:
        """A channel that hears what is said to everybody and to this process, once Redis is there."""
        channel, pause = "", 3.0
        while True:
            try:
                channel = channel or await live.new_channel()
                for group in (_EVERYBODY, self._group):
                    await get_channel_layer().group_add(group, channel)
                return channel
            except live.layer_errors() as error:
                live.outage.begin(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _take(self, event: object) -> None:
        # Whatever else comes is of a version that knows more than this one.
        match event:
            case {"type": "follow", "message": int(message), "at": int(at), "group": str(group)}:
                self._begin_to_pass_on(message, at, group)
            case {"type": "piece", "message": int(message), "at": int(at), "text": str(text)}:
                for heard in self._heard.get(message, ()):
                    heard.add(at, text)
            case {"type": "ended", "message": int(message)}:
                for heard in self._heard.get(message, ()):
                    heard.end()
            case {"type": "look"}:
                self._look()

    async def tell(self) -> None:
        """Lets all processes look whether an operator wrote something."""
        self._look()
        await live.send(_EVERYBODY, {"type": "look"})

    @contextmanager
    def following(self, message: int, heard: Heard) -> Iterator[None]:
        """Meanwhile ``heard`` gets the pieces of another process's answer."""
        if not self._is_on:
            yield
            return
        self._heard.setdefault(message, []).append(heard)
        asking = asyncio.create_task(self._ask(message, heard))
        try:
            yield
        finally:
            asking.cancel()
            self._heard[message].remove(heard)
            if not self._heard[message]:
                del self._heard[message]

    async def _ask(self, message: int, heard: Heard) -> None:
        while True:
            event = {"type": "follow", "message": message, "at": len(heard.text), "group": self._group}
            await live.send(_EVERYBODY, event)
            await asyncio.sleep(ASK_SECONDS)

    def _begin_to_pass_on(self, message: int, at: int, group: str) -> None:
        answer = self._find(message)
        if answer is None:
            return
        before = self._passing.pop((message, group), None)
        if before:
            before.cancel()
        task = asyncio.create_task(self._pass_on(answer, message, at, group))
        self._passing[message, group] = task
        task.add_done_callback(lambda _: self._forget(message, group, task))

    def _forget(self, message: int, group: str, task: asyncio.Task[None]) -> None:
        if self._passing.get((message, group)) is task:
            del self._passing[message, group]

    async def _pass_on(self, answer: Running, message: int, at: int, group: str) -> None:
        """Sends an answer from that character on, until it ends, or is not asked for again, or Redis is away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS), aclosing(_from(answer, at)) as pieces:
                async for start, piece in pieces:
                    event = {"type": "piece", "message": message, "at": start, "text": piece}
                    if not await live.send(group, event):
                        return
            await live.send(group, {"type": "ended", "message": message})


async def _from(answer: Running, at: int) -> AsyncGenerator[tuple[int, str], None]:
    """Pieces of an answer with the number of characters before each; how it ended is for the database to say."""
    end = 0
    with suppress(ProviderError):
        async with aclosing(answer.listen()) as pieces:
            async for piece in pieces:
                start, end = end, end + len(piece)
                if end > at:
                    first = max(start, at)
                    yield first, piece[first - start :]
