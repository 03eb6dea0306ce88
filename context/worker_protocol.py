"""How the server and a worker talk through a pipe: a JSON object and a text or bytes, each after its length.

Nothing is pickled: a worker that a hostile file took over could send anything.
"""

import json
import struct
import time
from codecs import iterdecode
from collections.abc import Iterator
from typing import IO, Any

_LENGTHS = struct.Struct("!II")
_MAX_BYTES = 100_000_000
_PIECE = 1 << 16
_BREATH_SECONDS = 0.0002


class BrokenPipe(Exception):
    """The other side went away, or said what nobody can understand."""


def send(pipe: IO[bytes], head: dict[str, Any], body: bytes) -> None:
    packed = json.dumps(head).encode()
    pipe.write(_LENGTHS.pack(len(packed), len(body)) + packed)
    pipe.write(body)
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Raises ``BrokenPipe``; at the end of the other side's life too."""
    lengths = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    if max(lengths) > _MAX_BYTES:
        raise BrokenPipe
    try:
        head = json.loads(_exactly(pipe, lengths[0]))
    except (ValueError, RecursionError):
        raise BrokenPipe from None
    if not isinstance(head, dict):
        raise BrokenPipe
    return head, _exactly(pipe, lengths[1])


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    received = pipe.read(length)
    if len(received) < length:
        raise BrokenPipe
    return received


def packed(text: str) -> bytes:
    """Lone surrogates get through, for the worker to replace."""
    return b"".join(text[start : start + _PIECE].encode("utf-8", "surrogatepass") for start in _starts(len(text)))


def unpacked(body: bytes, errors: str = "strict") -> str:
    return "".join(iterdecode((body[start : start + _PIECE] for start in _starts(len(body))), "utf-8", errors))


def _starts(length: int) -> Iterator[int]:
    for start in range(0, length, _PIECE):
        if start:
            breathe()
        yield start


def breathe() -> None:
    """In the middle of long work: lets the server's streams have their turn, which Python gives only every 5 ms."""
    time.sleep(_BREATH_SECONDS)
