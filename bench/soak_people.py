"""The people of the soak, who ask, leave, come back and stop, and note what they saw."""

import asyncio
import base64
import json
import time
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Literal, Self

import httpx2

from .soak_provider import number_of, tag
from .soak_world import KEY

PATIENCE_SECONDS = 60.0
PICTURE = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55")).decode()

Block = dict[str, str]
End = Literal["", "whole", "error event", "refused", "left", "cut", "no answer", "no server", "silence", "nothing"]


@dataclass
class Ask:
    """One request for an answer, and what came of it. Times are of `time.monotonic`.

    `end` is *cut* for an answer that broke off without a closing event, *no answer* where the connection went before
    the status line, *no server* where there was none, *silence* where nothing came for a minute, *refused* for an error
    status, *nothing* for a 204.
    """

    number: int
    email: str
    kind: Literal["stream", "plain", "join"]
    key: int = 0
    """The question whose tag was the Idempotency-Key."""
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    status: int | None = None
    retry_after: str | None = None
    text: str = ""
    heard: list[tuple[float, int]] = field(default_factory=list)
    end: End = ""
    error: str = ""

    @property
    def is_keyed(self) -> bool:
        return self.key == self.number > 0

    @property
    def reuses_key(self) -> bool:
        return self.key not in (0, self.number)

    def hear(self, event: Any) -> None:
        if event.get("success") is False:
            self.end, self.error = "error event", event["error"]
        self.text += event["chunk"]
        self.heard.append((time.monotonic(), len(self.text)))
        self.number = self.number or number_of(self.text)


@dataclass
class Diary:
    """What all people did and saw."""

    asks: list[Ask] = field(default_factory=list)
    contents: dict[int, list[Block]] = field(default_factory=dict)
    stops: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    histories: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Rules that were broken before people's eyes, with an example each."""


class Person:
    """Somebody in the chat window. `offers` are the methods that the stream's address takes."""

    def __init__(self, name: int, url: str, diary: Diary, seed: int, offers: set[str]) -> None:
        self.email = f"person{name}@soak.example"
        self.diary = diary
        self.offers = offers
        self._random = Random(f"{seed} {name}")
        self._numbers = iter(range(name * 10_000 + 1, (name + 1) * 10_000))
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"X-CC-API-KEY": KEY, "X-CC-EMAIL": self.email},
            timeout=httpx2.Timeout(PATIENCE_SECONDS, connect=5),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._http.aclose()

    # What people do.

    async def greet(self) -> None:
        await asyncio.gather(self._send(None, kind="stream"), self._send(None, kind="plain"), self.read())

    async def chat(self, until: float) -> None:
        """One thing after another at random, until that time."""
        habits = {self.ask: 60, self.ask_twice_at_once: 10, self.read: 10}
        if {"GET", "DELETE"} <= self.offers:
            habits |= {self.come_back: 12, self.insist: 8, self.stop: 6}
        while time.monotonic() < until:
            await asyncio.sleep(self._random.uniform(0, 2))
            [act] = self._random.choices(list(habits), list(habits.values()))
            await act()

    async def ask(self) -> None:
        leaves = self._random.random() < 0.2
        ask = await self._send(self._random.uniform(0.02, 3) if leaves else None)
        if ask.end == "no server":
            await asyncio.sleep(1)

    async def ask_twice_at_once(self) -> None:
        await asyncio.gather(self.ask(), self.ask())

    async def come_back(self) -> None:
        """Leaves, and listens again to what may still be running."""
        await self._send(self._random.uniform(0.1, 1), kind="stream")
        await asyncio.sleep(self._random.uniform(0, 1))
        await asyncio.gather(*(self._join() for _ in range(self._random.randint(1, 2))))

    async def stop(self) -> None:
        sending = asyncio.create_task(self._send(None))
        await asyncio.sleep(self._random.uniform(0, 2))
        self.diary.stops[self.email].append(time.monotonic())
        try:
            await self._http.delete("/api/chat/message/stream")
        except httpx2.TransportError:
            await asyncio.sleep(1)
        await sending

    async def insist(self) -> None:
        """One question under one key until it is answered or is known to have failed, and then another under it."""
        number = next(self._numbers)
        for attempt in range(6):
            patience = self._random.uniform(0.02, 2) if attempt == 0 else None
            ask = await self._send(patience, number=number, key=number)
            if ask.end in ("whole", "error event") or ask.status in (500, 502, 504, 409):
                break
            await asyncio.sleep(1)
        if ask.end == "whole":
            await self._send(None, key=number)

    async def read(self) -> None:
        """The history must show what was answered before; it is looked at in full afterwards."""
        before = [ask for ask in self.diary.asks if ask.email == self.email and ask.end == "whole"]
        messages = await self.history()
        if messages is None:
            return
        self.diary.histories += 1
        answers = {number_of(said(answer)): said(answer) for answer in messages if answer["role"] == "assistant"}
        for ask in before:
            if ask.number in answers and answers[ask.number] == ask.text:
                continue
            self.diary.wrong.append(("what was heard to its end is in the history at once", tag(ask.number)))

    async def history(self) -> list[Any] | None:
        try:
            response = await self._http.get("/api/chat/history")
        except httpx2.TransportError:
            return None
        return list(response.json()["data"]) if response.status_code == 200 else None

    # How they do it.

    async def _send(self, patience: float | None, *, kind: str = "", number: int | None = None, key: int = 0) -> Ask:
        """Asks a question, a new one unless its number is given; leaves after `patience` seconds."""
        number = number or next(self._numbers)
        content = self.diary.contents.setdefault(number, self._content(number))
        is_stream = (kind or self._random.choice(["stream", "stream", "plain"])) == "stream"
        ask = Ask(number, self.email, "stream" if is_stream else "plain", key)
        headers = {"Idempotency-Key": tag(key)} if key else {}
        path = "/api/chat/message" + "/stream" * is_stream
        await self._noted(ask, self._exchange(ask, "POST", path, headers=headers, json={"content": content}), patience)
        return ask

    async def _join(self) -> None:
        ask = Ask(0, self.email, "join")
        leaves = self._random.random() < 0.2
        path = "/api/chat/message/stream"
        await self._noted(ask, self._exchange(ask, "GET", path), self._random.uniform(0.1, 2) if leaves else None)

    def _content(self, number: int) -> list[Block]:
        question: Block = {"type": "text", "text": f"What do you say to {tag(number)}?"}
        chance = self._random.random()
        if chance < 0.05:
            return [{"type": "image", "name": "dot.png", "base64": PICTURE}, question]
        if chance < 0.1:
            return [{"type": "file", "name": "notes.txt", "text": "Some lines.\n" * 20}, question]
        return [question]

    async def _noted(self, ask: Ask, exchange: Coroutine[Any, Any, None], patience: float | None) -> None:
        self.diary.asks.append(ask)
        try:
            async with asyncio.timeout(patience):
                await exchange
        except TimeoutError:
            ask.end = ask.end or "left"
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            ask.end = "no server"
        except httpx2.ReadTimeout:
            ask.end = "silence"
        except httpx2.TransportError as error:
            ask.end = ask.end or ("cut" if ask.status else "no answer")
            ask.error = ask.error or repr(error)
        ask.ended = time.monotonic()

    async def _exchange(self, ask: Ask, method: str, path: str, **request: Any) -> None:
        async with self._http.stream(method, path, **request) as response:
            ask.status = response.status_code
            ask.retry_after = response.headers.get("Retry-After")
            if response.headers.get("Content-Type", "").startswith("text/event-stream"):
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        ask.hear(json.loads(line[6:]))
                ask.end = ask.end or "whole"
            else:
                self._read_json(ask, await response.aread())

    def _read_json(self, ask: Ask, body: bytes) -> None:
        if ask.status == 204:
            ask.end = "nothing"
        elif ask.status == 200:
            ask.text, ask.end = said(json.loads(body)["data"]), "whole"
        else:
            ask.end = "refused"
            try:
                ask.error = json.loads(body)["error"]
            except (ValueError, KeyError, TypeError):
                self.diary.wrong.append(("every refusal is in the envelope", f"{ask.status} {body[:200]!r}"))


def said(message: Any) -> str:
    """The text of a message as the API has it."""
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")
