"""A network for the HTTP client in which a name leads where we looked, and nothing talks without end."""

import ssl
from collections.abc import Sequence
from typing import Any

from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream, ConnectError, ConnectTimeout

_CONNECT_SECONDS = 5.0


class TooMuch(Exception):
    """The other side sent more than the budget."""


class PinnedNetwork(AsyncNetworkBackend):
    """Connects to the first of some addresses that answers, whatever the host's name would lead to by now.

    ``budget`` is the number of bytes that may still be read; reading beyond it raises ``TooMuch``.
    """

    def __init__(self, addresses: Sequence[str], budget: int, network: AsyncNetworkBackend) -> None:
        self.budget = budget
        self._addresses = addresses
        self._network = network

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> AsyncNetworkStream:  # noqa: ARG002
        failure: Exception = ConnectError("no address")
        for address in self._addresses:
            try:
                return _MeteredStream(await self._network.connect_tcp(address, port, timeout=_CONNECT_SECONDS), self)
            except (ConnectError, ConnectTimeout) as error:
                failure = error
        raise failure


class _MeteredStream(AsyncNetworkStream):
    def __init__(self, stream: AsyncNetworkStream, network: PinnedNetwork) -> None:
        self._stream = stream
        self._network = network

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._network.budget <= 0:
            raise TooMuch
        data = await self._stream.read(min(max_bytes, self._network.budget), timeout)
        self._network.budget -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        return _MeteredStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
