"""Embeddings of any vendor through its OpenAI-compatible endpoint."""

import asyncio
import base64
import json
import logging
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import httpx2

from ccagent.vendors import retry_after
from context.embeddings.backends import Kind, Vector
from context.embeddings.errors import (
    BrokenAnswer,
    Busy,
    EmbeddingError,
    KeyRefused,
    NotConfigured,
    Refused,
    Unavailable,
)

logger = logging.getLogger(__name__)

# Thirty-two vectors of 4,000 numbers written out take about 3 MB.
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_CONNECT_SECONDS = 5
# An HTTP client's connections belong to the loop they were opened on.
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()
# Fields that an endpoint refused, by address and model: not sent any more.
_refused: dict[tuple[str, str], set[str]] = {}


@dataclass(frozen=True)
class Endpoint:
    """``dimensions`` 0: as many as the model has."""

    base_url: str
    key: str
    model: str
    dimensions: int = 0

    async def embed(self, texts: Sequence[str], kind: Kind) -> list[Vector]:  # noqa: ARG002
        status, answer, headers = await self._post(self._body(texts))
        # A field that the endpoint can do without and refuses is left out for good, and the call made once more.
        named = {name for name in ("encoding_format", "dimensions") if _names(answer, name)}
        if status in (400, 422) and named & self._body(texts).keys():
            _refused.setdefault((self.base_url, self.model), set()).update(named)
            logger.info("%s takes no %s: not sent any more", self.model, ", ".join(sorted(named)))
            status, answer, headers = await self._post(self._body(texts))
        if status != 200:
            raise self._error(status, answer, headers)
        return _vectors(answer)

    def _body(self, texts: Sequence[str]) -> dict[str, Any]:
        # As the official client asks for: a tenth of the time to read that figures take.
        body: dict[str, Any] = {"model": self.model, "input": list(texts), "encoding_format": "base64"}
        if self.dimensions:
            body["dimensions"] = self.dimensions
        left_out = _refused.get((self.base_url, self.model), set())
        return {name: value for name, value in body.items() if name not in left_out}

    async def _post(self, body: dict[str, Any]) -> tuple[int, bytes, httpx2.Headers]:
        # Compression would let a small answer become a large one.
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        url = f"{self.base_url.rstrip('/')}/embeddings"
        try:
            async with _client().stream("POST", url, json=body, headers=headers) as response:
                limit = _MAX_ANSWER_BYTES if response.is_success else _MAX_ERROR_BYTES
                return response.status_code, await _read(response, limit), response.headers
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(self._without_key(repr(error)), sentence=_UNREACHABLE) from None

    def _error(self, status: int, answer: bytes, headers: httpx2.Headers) -> EmbeddingError:
        detail = self._without_key(f"HTTP {status}: {answer[:1000].decode(errors='replace')}")
        said = detail.lower()
        match status:
            case 401 | 403:
                return KeyRefused(detail)
            case 400 | 413 | 422 if any(words in said for words in _KEY_REFUSED):
                return KeyRefused(detail)
            case 400 | 422 if "invalid model" in said:
                return self._not_found(detail)
            case 400 | 413 | 422:
                return Refused(detail)
            case 404 | 405:
                return self._not_found(detail)
            case 402:
                return EmbeddingError(detail)
            case 408 | 429 | 503 | 529:
                return Busy(detail, retry_after=retry_after(headers.get("retry-after", "")))
            case _ if status < 400:
                return NotConfigured(detail, sentence=_MOVED)
            case _:
                return Unavailable(detail)

    def _not_found(self, detail: str) -> NotConfigured:
        return NotConfigured(
            detail,
            sentence=f"The embeddings backend has no embedding model named {self.model}: check EMBEDDINGS_MODEL.",
        )

    def _without_key(self, words: str) -> str:
        return words.replace(self.key, "***") if self.key else words


_UNREACHABLE = "The embeddings backend cannot be reached."
_MOVED = "The embeddings backend sends us to another address: check EMBEDDINGS_BASE_URL."
_KEY_REFUSED = ("api key not valid", "incorrect api key")


def _client() -> httpx2.AsyncClient:
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        # A redirect could carry the key to another host. The time in all is the caller's matter.
        _clients[loop] = httpx2.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS)
        )
    return _clients[loop]


async def _read(response: httpx2.Response, limit: int) -> bytes:
    """The first bytes of the body; the rest of one that is too large is never read."""
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > limit:
            break
    return bytes(body[:limit])


def _names(answer: bytes, field: str) -> bool:
    """Whether the words name the field; some vendors write fields in a way of their own."""
    return field.replace("_", "").encode() in answer.replace(b"_", b"").lower()


def _vectors(answer: bytes) -> list[Vector]:
    try:
        # Some leave out a zero, some the place altogether.
        entries = sorted(json.loads(answer)["data"], key=lambda entry: entry.get("index") or 0)
        return [_numbers(entry["embedding"]) for entry in entries]
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError) as error:
        raise BrokenAnswer(f"{type(error).__name__}: {answer[:200].decode(errors='replace')}") from None


def _numbers(packed: object) -> Vector:
    """Figures, or little-endian single floats in base64."""
    if not isinstance(packed, str):
        return array("d", packed).tolist()  # type: ignore[call-overload,no-any-return]
    numbers = array("f", base64.b64decode(packed, validate=True))
    return numbers.tolist()
