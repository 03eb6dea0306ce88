"""Vectors that a test can reason about: texts that share words are near each other."""

import base64
import math
import re
import struct
import zlib
from typing import Any

DIMENSIONS = 1536


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """The answer of `POST /embeddings`, in floats or, as the official client asks for, in base64."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [vector(text, body.get("dimensions", DIMENSIONS)) for text in texts]
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": number, "embedding": pack(values) if packed else values}
        for number, values in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Each word counts in one dimension; the length is 1."""
    counts = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        counts[zlib.crc32(word.encode()) % dimensions] += 1.0
    length = math.sqrt(sum(count * count for count in counts))
    return [count / length for count in counts]


def pack(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
