"""Fetches an address that a stranger gave: nothing but public web pages, and no more of them than is good for us."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from http.client import responses
from ipaddress import ip_address

import httpcore2
from django.conf import settings

from ccagent.environment import AllowedHosts, allowed_hosts, ports_in
from context.addresses import is_public
from context.connection import PinnedNetwork, TooMuch
from context.readable import can_be_read, media_type
from context.unpacking import ACCEPTED, CannotUnpack, unpacker
from context.web_url import MAX_CHARS, WebURL

logger = logging.getLogger(__name__)

NAME = "CC-Agent"
"""What sites know us by, also in their robots.txt."""
MAX_REDIRECTS = 3
MAX_HEAD_BYTES = 64 * 1024

UNREACHABLE = "The address cannot be fetched: it must lead to a public page that answers within {:g} seconds."

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_ADDRESSES = 4
# Ten megabytes in pieces of 250 bytes. Smaller ones would cost more time than all the rest.
_MAX_PIECES = 40_000
_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    OSError,  # also for TLS and for the deadline
    TooMuch,
)
_NOTHING = AllowedHosts()
_NETWORK = httpcore2.AnyIOBackend()
# Not asyncio's own threads: a stranger's slow name server would hold them while a provider's name is waiting.
_resolvers = ThreadPoolExecutor(8, thread_name_prefix="resolve")


class FetchRefused(Exception):
    """Nothing was fetched; the message is the sentence for the caller.

    It is one and the same for whatever happens before an answer's head is there: an address that is not public, a name
    that nobody has, a closed port, TLS that fails, silence. Different ones would draw a stranger a map of our network.
    ``status`` is that of an answer other than 200.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


class _Unreachable(Exception):
    """Why, for the log alone."""


@dataclass(frozen=True)
class Fetched:
    """What an address gave: ``url`` is where redirects led to, ``content`` unpacked, headers as sent or empty."""

    url: str
    content: bytes
    content_type: str
    etag: str
    last_modified: str


async def fetch(
    url: str, *, etag: str = "", last_modified: str = "", wanted: Callable[[str, str], bool] = can_be_read
) -> Fetched | None:
    """Fetches by this agent's settings; None when the content is still that of ``etag`` or ``last_modified``.

    ``wanted`` is told content type and path, and whether to go on. Raises ``FetchRefused``.
    """
    env = settings.ENV
    fetcher = Fetcher(
        ports=Fetcher.ports | ports_in(env.context_url_ports),
        allowed=allowed_hosts(env.context_url_allow),
        max_bytes=env.context_max_bytes,
        user_agent=f"{NAME} (+{env.app_url})" if env.app_url else NAME,
        wanted=wanted,
    )
    return await fetcher.fetch(url, etag=etag, last_modified=last_modified)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, best first; raises ``OSError`` or ``UnicodeError``."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@cache
def _tls() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()


@dataclass(frozen=True)
class Fetcher:
    """Fetches under the rules given; the defaults are those of the open web.

    ``seconds`` is for everything together, from the first look-up to the last byte unpacked. A refusal whose reason
    nobody may know takes ``least_seconds`` or longer, so that it does not tell by its time whether a name exists.
    """

    ports: frozenset[int] = frozenset({80, 443})
    allowed: AllowedHosts = _NOTHING
    max_bytes: int = 10_000_000
    seconds: float = 20.0
    least_seconds: float = 1.0
    user_agent: str = NAME
    wanted: Callable[[str, str], bool] = can_be_read
    resolve: Callable[[str, int], Awaitable[list[str]]] = resolve
    network: httpcore2.AsyncNetworkBackend = _NETWORK
    tls: Callable[[], ssl.SSLContext] = _tls

    async def fetch(self, url: str, *, etag: str = "", last_modified: str = "") -> Fetched | None:
        """As the function ``fetch``."""
        try:
            link = WebURL.parse(url)
        except ValueError as error:
            raise FetchRefused(f"The address {error}") from None
        conditions = [("If-None-Match", etag), ("If-Modified-Since", last_modified)]
        conditions = [(name, value) for name, value in conditions if value and value.isascii() and value.isprintable()]
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.seconds):
                return await self._follow(link, conditions)
        except (_Unreachable, *_FAILURES) as error:
            # Without the library's words, which hold the address.
            logger.info(
                "An address was not fetched: %s", error if type(error) is _Unreachable else type(error).__name__
            )
            await asyncio.sleep(begun + self.least_seconds - time.monotonic())
            raise FetchRefused(UNREACHABLE.format(self.seconds)) from None

    async def _follow(self, url: WebURL, conditions: list[tuple[str, str]]) -> Fetched | None:
        for _ in range(1 + MAX_REDIRECTS):
            found = await self._request(url, conditions)
            if not isinstance(found, WebURL):
                return found
            url = found
        raise FetchRefused(f"The address redirects more than {MAX_REDIRECTS} times.")

    async def _request(self, url: WebURL, conditions: list[tuple[str, str]]) -> Fetched | WebURL | None:
        """One request: the content, or where to look next."""
        network = PinnedNetwork(await self._addresses(url), MAX_HEAD_BYTES, self.network)
        headers = [
            ("Host", url.authority),
            ("User-Agent", self.user_agent),
            ("Accept", "text/html, application/xhtml+xml, text/*;q=0.9, */*;q=0.8"),
            ("Accept-Encoding", ACCEPTED),
            ("Connection", "close"),
        ]
        target = httpcore2.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
        tls = self.tls() if url.scheme == "https" else None
        async with (
            httpcore2.AsyncConnectionPool(ssl_context=tls, network_backend=network) as connections,
            connections.stream("GET", target, headers=[*headers, *conditions]) as response,
        ):
            # Chunked encoding may take as much again as the content.
            network.budget = 2 * self.max_bytes + MAX_HEAD_BYTES
            if response.status == 304 and conditions:
                return None
            if response.status in _REDIRECTS and (location := _header(response, b"location", "utf-8")):
                return _redirected(url, location)
            if response.status != 200:
                reason = f"{response.status} {responses.get(response.status, '')}".strip()
                raise FetchRefused(f"The site answered {reason}: check the address.", response.status)
            return await self._fetched(url, response)

    async def _addresses(self, url: WebURL) -> list[str]:
        """The addresses to connect to, checked; nothing is looked up again after this."""
        usual = url.port in self.ports
        named = {(url.host, url.port), (url.host, None if usual else url.port)} & self.allowed.hosts
        if not usual and not named:
            raise FetchRefused(f"The address has port {url.port}, which is not fetched from.")
        try:
            addresses = [url.host] if url.address else await self.resolve(url.host, url.port)
        except (OSError, UnicodeError):
            raise _Unreachable("its name leads nowhere") from None
        if not named and not all(map(self._may_connect, addresses)):
            raise _Unreachable("it is not public")
        return addresses[:_MAX_ADDRESSES]

    def _may_connect(self, address: str) -> bool:
        return is_public(address) or any(ip_address(address) in network for network in self.allowed.networks)

    async def _fetched(self, url: WebURL, response: httpcore2.Response) -> Fetched:
        content_type = _header(response, b"content-type")
        if not self.wanted(content_type, url.target):
            kind = media_type(content_type) or "a kind of file"
            raise FetchRefused(
                f"The address leads to {kind}, which is not among the texts and documents that can be read."
            )
        try:
            content = await self._content(response)
        except CannotUnpack:
            raise FetchRefused("The site's answer is compressed in a way that cannot be undone.") from None
        except TooMuch:
            raise FetchRefused(f"The page is larger than the limit of {self.max_bytes / 1e6:g} MB.") from None
        except _FAILURES:
            raise FetchRefused("The page did not arrive whole: try again.") from None
        etag, last_modified = (_header(response, name) for name in (b"etag", b"last-modified"))
        return Fetched(str(url), content, content_type, etag, last_modified)

    async def _content(self, response: httpcore2.Response) -> bytes:
        """The body unpacked; raises ``TooMuch`` as soon as it is."""
        if int(_header(response, b"content-length") or 0) > self.max_bytes:
            raise TooMuch
        unpacking = unpacker(_header(response, b"content-encoding"))
        content = bytearray()
        pieces = 0
        async with aclosing(response.aiter_stream()) as parts:
            async for part in parts:
                for piece in unpacking.feed(part):
                    content += piece
                    pieces += 1
                    if len(content) > self.max_bytes or pieces > _MAX_PIECES:
                        raise TooMuch
                    # Lets others run, and the deadline strike, while a bomb is unpacked.
                    await asyncio.sleep(0)
        if not unpacking.ended:
            raise CannotUnpack
        return bytes(content)


def _redirected(url: WebURL, location: str) -> WebURL:
    try:
        target = url.join(location)
    except ValueError as error:
        raise FetchRefused(f"The address redirects to one that {error}") from None
    if (url.scheme, target.scheme) == ("https", "http"):
        raise FetchRefused("The address redirects from https to http, which is not followed.")
    return target


def _header(response: httpcore2.Response, name: bytes, encoding: str = "latin-1") -> str:
    """The first header of that name; empty without one, or if it is longer than any good one."""
    value = next((value for key, value in response.headers if key.lower() == name), b"")
    return value.decode(encoding, "replace") if len(value) <= MAX_CHARS else ""
