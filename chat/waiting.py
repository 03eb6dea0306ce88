"""Streams of people whose agent is paused: they stay open for a while, so that an operator's words arrive in them."""

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator

from django.conf import settings
from django.db import InterfaceError, OperationalError

from ccagent.database import in_database
from chat import takeover
from chat.answer import QUIET_SECONDS
from chat.takeover import Place, Said

LOOK_SECONDS = 1.0


class PausedAnswer:
    """What somebody hears whose agent is paused: the answer that stands there, and then what an operator writes.

    That is the sentence that they were just told, or the last answer where they only come back: either way they hear
    one answer from its start. It is over after the operator's next words, or when there is no more to wait for.
    """

    def __init__(self, email: str, place: Place, text: str) -> None:
        self.email = email
        self.place = place
        self._text = text

    async def opened(self) -> None:
        """Nobody has to be asked."""

    async def finished(self) -> str:
        """The text alone: who cannot see an answer grow is not kept waiting."""
        return self._text

    async def listen(self) -> AsyncGenerator[str, None]:
        if self._text:
            yield self._text
        waiter = room.enter(self)
        try:
            until = time.monotonic() + settings.ENV.paused_stream_seconds
            while not waiter.done() and (left := until - time.monotonic()) > 0:
                await asyncio.wait([waiter], timeout=min(left, QUIET_SECONDS))
                if not waiter.done():
                    yield ""
            if waiter.done() and (words := waiter.result()):
                yield f"\n\n{words}" if self._text else words
        finally:
            room.leave(self)


class WaitingRoom:
    """Who waits in this process. One query a second for all of them; at once where somebody said that there is more."""

    def __init__(self) -> None:
        self._waiters: dict[PausedAnswer, asyncio.Future[str]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        self._closed = False

    def enter(self, answer: PausedAnswer) -> asyncio.Future[str]:
        """What is waited for: an operator's words, or none where it is over without."""
        self._loop = asyncio.get_running_loop()
        waiter = self._waiters[answer] = self._loop.create_future()
        if self._closed:
            waiter.set_result("")
        self._let_go_of_the_oldest(answer.email)
        if self._looking is None or self._looking.done():
            # A context of its own: the request's would tie it to the thread of a request.
            self._looking = self._loop.create_task(self._look(), context=contextvars.Context())
        return waiter

    def leave(self, answer: PausedAnswer) -> None:
        self._waiters.pop(answer, None)

    def end(self, email: str) -> None:
        """The person waits no longer."""
        for answer, waiter in self._waiters.items():
            if answer.email == email:
                _settle(waiter)

    def close(self) -> None:
        """The process ends: everybody's answer is over, as far as it got."""
        self._closed = True
        for waiter in self._waiters.values():
            _settle(waiter)

    def look(self) -> None:
        """There may be something new; from any thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told.set)

    def _let_go_of_the_oldest(self, email: str) -> None:
        theirs = [waiter for answer, waiter in self._waiters.items() if answer.email == email]
        for waiter in theirs[: -settings.ENV.max_running_turns]:
            _settle(waiter)

    async def _look(self) -> None:
        while self._waiters:
            self._told.clear()
            answers = list(self._waiters)
            try:
                for answer, said in zip(answers, await self._said(answers), strict=True):
                    if said.over or said.text:
                        _settle(self._waiters.get(answer), said.text)
            except (OperationalError, InterfaceError):
                pass  # they wait on, and not for ever
            await self._pause()

    async def _said(self, answers: list[PausedAnswer]) -> list[Said]:
        return await in_database(takeover.said_since, [answer.place for answer in answers])

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._told.wait()
        except TimeoutError:
            pass


def _settle(waiter: asyncio.Future[str] | None, words: str = "") -> None:
    if waiter and not waiter.done():
        waiter.set_result(words)


room = WaitingRoom()
