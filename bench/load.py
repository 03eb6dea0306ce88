"""The people of the benchmark, in a process of their own: `python -m bench.load` reads a `Job` and prints an `Outcome`.

Bytes are only collected while the clock runs; `answers.py` reads and compares them afterwards.
"""

import asyncio
import errno
import json
import re
import resource
import socket
import sys
import time
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from .answers import Asked, Job, body_of, fault_in

# The provider's very first chunk names the role and has an empty `content`: that is no text yet.
FIRST_TEXT = re.compile(rb'"(?:chunk|content)": ?"[^"]')
LAST_CHUNK = b"\r\n0\r\n\r\n"
TIMEOUT = 120.0


@dataclass
class Outcome:
    """Seconds to each first text, in order of size; seconds from the first request to the end of the last answer."""

    first_text: list[float]
    seconds: float
    faults: list[str]


class Exchange:
    """One request on a connection of its own; a bare socket, since transports would delay each other."""

    def __init__(self, request: bytes) -> None:
        self.pieces: list[bytes] = []
        self.first_text: float | None = None
        self.ended = asyncio.Event()
        self._request = request
        self._tail = b""
        self._is_chunked: bool | None = None

    @property
    def received(self) -> bytes:
        return b"".join(self.pieces)

    def start(self, address: tuple[str, int]) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self.started = time.perf_counter()
        self._socket.connect_ex(address)
        # Over loopback the connection usually stands already, and a turn of the event loop is saved.
        self._send()

    def close(self) -> None:
        asyncio.get_running_loop().remove_writer(self._socket)
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self.ended.set()

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._socket.send(self._request)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOTCONN):
                loop.add_writer(self._socket, self._send)
            else:
                self.close()
            return
        loop.remove_writer(self._socket)
        loop.add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        self.pieces.append(data)
        if self.first_text is None and FIRST_TEXT.search(self.received):
            self.first_text = time.perf_counter()
        if not data or self._is_whole(data):
            self.close()

    def _is_whole(self, data: bytes) -> bool:
        if self._is_chunked is None:
            head, end, _ = self.received.partition(b"\r\n\r\n")
            if not end:
                return False
            self._is_chunked = b"transfer-encoding: chunked" in head.lower()
        # The last chunk may come in two reads.
        self._tail = (self._tail + data)[-len(LAST_CHUNK) :]
        return self._tail == LAST_CHUNK if self._is_chunked else body_of(self.received) is not None


async def ask(asked: Asked) -> Exchange:
    """The exchange after its end, or as far as it came in `TIMEOUT` seconds."""
    address = urlsplit(asked.job.url)
    exchange = Exchange(asked.request())
    exchange.start((str(address.hostname), address.port or 80))
    try:
        await asyncio.wait_for(exchange.ended.wait(), TIMEOUT)
    except TimeoutError:
        exchange.close()
    return exchange


async def converse(job: Job, person: int) -> list[tuple[Asked, Exchange]]:
    """One person's questions, each asked when the one before is answered."""
    await asyncio.sleep(job.spread * person / job.people)
    questions = [Asked(job, person, number) for number in range(job.rounds)]
    return [(asked, await ask(asked)) for asked in questions]


async def run(job: Job) -> Outcome:
    started = time.perf_counter()
    conversations = await asyncio.gather(*(converse(job, person) for person in range(job.people)))
    seconds = time.perf_counter() - started
    answers = [answer for conversation in conversations for answer in conversation]
    first_text = sorted(exchange.first_text - exchange.started for _, exchange in answers if exchange.first_text)
    faults = [fault_in(asked, exchange.received) for asked, exchange in answers]
    return Outcome(first_text, seconds, [fault for fault in faults if fault])


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    job = Job(**json.load(sys.stdin))
    json.dump(asdict(asyncio.run(run(job))), sys.stdout)


if __name__ == "__main__":
    main()
