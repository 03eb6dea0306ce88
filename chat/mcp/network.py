"""How requests to tool servers travel: to the address that was checked, within limits, and nowhere else."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from context.addresses import is_public
from context.connection import PinnedNetwork
from context.fetch import resolve

MAX_BYTES = 2_000_000
"""Largest answer of a tool server that is read."""
_GOODBYE_SECONDS = 3
_MAX_ADDRESSES = 4
_FAILURES = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError, UnicodeError)


class _NotPublic(Exception):
    pass


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Looks a name up at every connection, and connects to the very address it found, if that may be."""

    def __init__(self, allow_private: bool, network: httpcore2.AsyncNetworkBackend) -> None:
        self._allow_private = allow_private
        self._network = network

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        return await PinnedNetwork(addresses, sys.maxsize, self._network).connect_tcp(host, port)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = [str(ip_address(host.strip("[]")))]
        except ValueError:
            found = await resolve(host, port)
        if not self._allow_private and not all(map(is_public, found)):
            raise _NotPublic
        return found[:_MAX_ADDRESSES]


class GuardedTransport(httpx2.AsyncBaseTransport):
    """The transport of one session. What goes wrong on the way is told by ``broken``, once and for all.

    The SDK takes an answer with an error status for the end of one request, and an exception for its own end: so there
    are none. Redirects are not followed: what is sent is for this server alone.
    """

    def __init__(self, allow_private: bool) -> None:
        self.broken = ""
        self.too_large = False
        network = GuardedNetwork(allow_private, httpcore2.AnyIOBackend())
        self._pool = httpcore2.AsyncConnectionPool(ssl_context=_tls(), network_backend=network, keepalive_expiry=60)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            # A stream for what a server says unasked, which nobody here would listen to.
            return httpx2.Response(405)
        if self.broken:
            return httpx2.Response(502)
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS if request.method == "DELETE" else None):
                answer = await self._send(request)
        except _NotPublic:
            self.broken = "its address is not public: tick that a private one is allowed"
        except _FAILURES as error:
            self.broken = f"it cannot be reached ({type(error).__name__})"
        else:
            self._judge(answer)
            if not self.broken:
                return answer
            await answer.aclose()
        return httpx2.Response(502)

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        url = httpcore2.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        asked = httpcore2.Request(request.method, url, headers=request.headers.raw, content=request.content)
        answer = await self._pool.handle_async_request(asked)
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Limited(answer, self))

    def _judge(self, answer: httpx2.Response) -> None:
        if 300 <= answer.status_code < 400:
            self.broken = "it redirects to another address"
        elif answer.status_code in (401, 403):
            self.broken = f"it refuses the secret (status {answer.status_code})"
        elif answer.status_code >= 500:
            self.broken = f"it fails (status {answer.status_code})"
        elif answer.headers.get("content-encoding", "identity") != "identity":
            self.broken = "it compresses its answers, unasked"


class _Limited(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response, transport: GuardedTransport) -> None:
        self._answer = answer
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_BYTES
        try:
            async for piece in self._answer.aiter_stream():
                left -= len(piece)
                if left < 0:
                    self._transport.too_large = True
                    raise httpx2.StreamError("too large")
                yield piece
        except _FAILURES as error:
            raise httpx2.StreamError(type(error).__name__) from None

    async def aclose(self) -> None:
        await self._answer.aclose()


@cache
def _tls() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()
