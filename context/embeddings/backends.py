"""What makes vectors of texts, and the thread in which it is waited for."""

import asyncio
import math
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

from ccagent.text import clean
from context.embeddings.errors import BrokenAnswer, Unavailable

Vector = list[float]
Kind = Literal["question", "passage"]
Result = TypeVar("Result")


class Backend(Protocol):
    """One embedding model; equal ones may share what they keep open. ``embed`` raises ``EmbeddingError``."""

    async def embed(self, texts: Sequence[str], kind: Kind) -> list[Vector]: ...


def embedding(backend: Backend, texts: Sequence[str], kind: Kind, seconds: float) -> Future[list[Vector]]:
    """The texts' vectors, each of length 1, in the order of the texts; raises ``EmbeddingError``."""
    return _in_background(_in_time(backend, texts, kind, seconds))


async def _in_time(backend: Backend, texts: Sequence[str], kind: Kind, seconds: float) -> list[Vector]:
    try:
        async with asyncio.timeout(seconds):
            vectors = await backend.embed([clean(text) for text in texts], kind)
    except TimeoutError:
        raise Unavailable(f"no answer within {seconds:g} s") from None
    if len(vectors) != len(texts):
        raise BrokenAnswer(f"{len(vectors)} vectors for {len(texts)} texts")
    if len({len(vector) for vector in vectors}) > 1:
        raise BrokenAnswer("vectors of different lengths")
    return [_of_length_one(vector) for vector in vectors]


def _of_length_one(vector: Vector) -> Vector:
    length = math.hypot(*vector)
    if not (math.isfinite(length) and length > 0):
        raise BrokenAnswer("a vector that is zero or holds what is no number")
    return [number / length for number in vector]


_starting = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def _in_background(work: Coroutine[Any, Any, Result]) -> Future[Result]:
    """Runs in a loop of its own, so that code with and without a loop can wait for it, and time-outs are exact."""
    with _starting:
        if not _loops:
            _loops.append(asyncio.new_event_loop())
            run = partial(threading.Thread, target=_loops[0].run_forever, name="embeddings", daemon=True)
            run().start()
    return asyncio.run_coroutine_threadsafe(work, _loops[0])
