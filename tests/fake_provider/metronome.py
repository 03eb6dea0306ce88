"""Many numbered answers at an even pace, for little processor time: one timer, and bytes made beforehand."""

import asyncio
import re
from collections import deque
from dataclasses import dataclass

from .http import LAST_CHUNK, Connection, http_chunk, http_head
from .request import Request
from .wire import DONE, Completion

TICK = 0.001
TAG = re.compile(r"\b[a-z]\d{4}\b")
STREAM_HEAD = http_head(200, {"content-type": "text/event-stream; charset=utf-8"})
JSON_HEAD = http_head(200, {"content-type": "application/json"})


@dataclass
class Pace:
    tokens: int
    pause: float
    """Seconds from one token to the next; 0 for as fast as the client reads."""


def tag_of(question: str) -> str:
    """What every token of the answer begins with: the word of one letter and four digits in the question."""
    found: list[str] = TAG.findall(question)
    return found[-1] if found else "t0000"


def numbered_answer(tag: str, tokens: int) -> str:
    return "".join(token(tag, number) for number in range(tokens))


def token(tag: str, number: int) -> str:
    return f"{tag}-{number:04d} "


class Stream:
    """One answer on its way out; tokens are all of one length, so that only the number changes from chunk to chunk."""

    def __init__(self, connection: Connection, request: Request, tokens: int) -> None:
        completion = Completion(request)
        self.connection = connection
        self._numbers = iter(range(tokens))
        sample = http_chunk(completion.chunk({"content": token(tag_of(request.question), 0)}))
        before, _, self._after = sample.partition(b"-0000 ")
        self._before = before + b"-"
        self._opening = STREAM_HEAD + http_chunk(completion.chunk({"role": "assistant", "content": ""}))
        ending = [*completion.ending("stop", tokens), DONE]
        self._ending = b"".join(map(http_chunk, ending)) + LAST_CHUNK

    def beat(self) -> bool:
        """Writes the next token, or the end; False when nothing is left to do."""
        transport = self.connection.transport
        if transport.is_closing():
            return False
        number = next(self._numbers, None)
        if number is None:
            transport.write(self._ending)
            self.connection.finish()
            return False
        transport.write(b"%b%b%04d %b" % (self._opening, self._before, number, self._after))
        self._opening = b""
        return True


class Metronome:
    """Answers every chat request with numbered tokens; `POST /pace` takes another `Pace`, as JSON."""

    def __init__(self, pace: Pace) -> None:
        self._work = asyncio.Event()
        self._set_pace(pace)

    def _set_pace(self, pace: Pace) -> None:
        self.pace = pace
        self._slots: deque[list[Stream]] = deque([] for _ in range(max(1, round(pace.pause / TICK))))

    def handle(self, connection: Connection, request: Request) -> asyncio.Task[None] | None:
        if request.path == "/pace":
            self._set_pace(Pace(**request.json))
            answer_json(connection, request.body)
        elif request.is_stream:
            self._start(Stream(connection, request, self.pace.tokens))
        else:
            return asyncio.ensure_future(self._answer_whole(connection, request))
        return None

    def _start(self, stream: Stream) -> None:
        if stream.beat():
            self._slots[-1].append(stream)
            self._work.set()

    async def _answer_whole(self, connection: Connection, request: Request) -> None:
        await asyncio.sleep(self.pace.tokens * self.pace.pause)
        content = numbered_answer(tag_of(request.question), self.pace.tokens)
        message = {"role": "assistant", "content": content}
        answer_json(connection, Completion(request).whole(message, "stop", self.pace.tokens))

    async def run(self) -> None:
        """Plays one slot per tick, for ever; a stream comes up once in every round of the slots."""
        loop = asyncio.get_running_loop()
        while await self._work.wait():
            self._work.clear()
            due = loop.time()
            while any(self._slots):
                self._play_slot()
                due += TICK if self.pace.pause else 0.0
                await asyncio.sleep(max(0.0, due - loop.time()))

    def _play_slot(self) -> None:
        slot, self._slots[0] = self._slots[0], []
        self._slots.rotate(-1)
        self._slots[-1] += [stream for stream in slot if stream.beat()]


def answer_json(connection: Connection, body: bytes) -> None:
    connection.transport.write(JSON_HEAD + http_chunk(body) + LAST_CHUNK)
    connection.finish()
