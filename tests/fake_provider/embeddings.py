"""Vectors that a test can reason about: texts that share words are near each other."""

import base64
import math
import re
import struct
import zlib
from collections.abc import Callable, Sequence

from .replies import Reply, Response
from .request import Request
from .vendors import Problem
from .wire import encode

DIMENSIONS = 1536


MOST_TEXTS = {"cohere": 96, "google-genai": 100}


def embeddings(request: Request) -> Response:
    """The default reply: a vector for each text."""
    return answer_of(request, [vector(text, dimensions_for(request)) for text in texts_of(request)])


def answer_of(request: Request, vectors: Sequence[list[float]]) -> Response:
    """In floats or, as the official client asks for, in base64."""
    packed = request.json.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": number, "embedding": pack(values) if packed else values}
        for number, values in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts_of(request))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Response([encode({"object": "list", "data": data, "model": request.json["model"], "usage": usage})])


def texts_of(request: Request) -> list[str]:
    texts = request.json["input"]
    return [texts] if isinstance(texts, str) else texts


def dimensions_for(request: Request) -> int:
    return int(request.json.get("dimensions", DIMENSIONS))


def embedding_problem(request: Request, *, strict: bool) -> Problem | None:
    """Why this vendor would refuse the request; only what every vendor minds, unless strict."""
    vendor, texts = request.vendor, texts_of(request)
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        return vendor.problem("invalid", {"why": "'$.input' is invalid: input cannot be an empty string."})
    if strict and len(texts) > MOST_TEXTS.get(vendor.name, 2048):
        return vendor.problem("invalid", {"why": "Too many inputs in one batch."})
    if strict and vendor.name == "mistralai" and "dimensions" in request.json:
        return vendor.problem("field", {"field": "dimensions"})
    return None


# Replies that are none, in the shape of the real ones.


def too_few_vectors() -> Reply:
    return lambda request: answer_of(request, [vector(text) for text in texts_of(request)[1:]])


def vectors_of(dimensions: int) -> Reply:
    """Whatever was asked for."""
    return lambda request: answer_of(request, [vector(text, dimensions) for text in texts_of(request)])


def broken_vectors(number: float = math.nan) -> Reply:
    """Each number of each vector is this one."""
    return lambda request: answer_of(request, [[number] * dimensions_for(request) for _ in texts_of(request)])


def only_if(accept: Callable[[str], bool], otherwise: Reply) -> Reply:
    """Vectors where every text is accepted."""
    return lambda request: (embeddings if all(map(accept, texts_of(request))) else otherwise)(request)


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Each word counts in one dimension; the length is 1."""
    counts = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        counts[zlib.crc32(word.encode()) % dimensions] += 1.0
    length = math.sqrt(sum(count * count for count in counts))
    return [count / length for count in counts]


def pack(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
