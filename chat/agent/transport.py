"""How calls to a provider travel: the openai library's own HTTP client, with aiohttp beneath it.

The library offers the same pair, whose layers take more time for each token than all else that is done with it.
"""

from collections.abc import AsyncIterator

import aiohttp
import httpx2

MAX_ERROR_BYTES = 64 * 1024
"""Most that is read of an answer that is an error."""


class Transport(httpx2.AsyncBaseTransport):
    """Follows no redirect, which could carry the key to another host, and keeps no cookies."""

    def __init__(self, connect_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            answer = await self._open_session().request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=request.content,
                allow_redirects=False,
                timeout=self._timeout,
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ConnectError(str(error)) from error
        body = Body(answer)
        extensions = {"body": body}
        return httpx2.Response(answer.status, headers=answer.raw_headers, stream=body, extensions=extensions)

    async def aclose(self) -> None:
        if self._session:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        # Not at the start, when there may be no event loop yet.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
        return self._session


class Body(httpx2.AsyncByteStream):
    """An answer's body. The library reads an error's to its end, which may never come: it gets the beginning."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def read(self) -> bytes:
        """What has arrived since, once there is something; empty at the end. Raises ``aiohttp.ClientError``."""
        return await self._answer.content.readany()

    async def read_all(self, limit: int) -> bytes:
        """The whole, or of a longer one the first ``limit`` bytes. Raises ``aiohttp.ClientError``."""
        read = bytearray()
        while len(read) < limit and (piece := await self.read()):
            read += piece
        return bytes(read[:limit])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ERROR_BYTES
        while left > 0 and (piece := await self.read()):
            yield piece[:left]
            left -= len(piece)

    async def aclose(self) -> None:
        self._answer.close()
