"""Which pages a site wants to be read: its sitemaps, and its robots.txt."""

import asyncio
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings

from context.fetch import NAME, FetchRefused, fetch
from context.inputs import web_address
from context.readable import can_be_read, media_type
from context.unpacking import CannotUnpack, unpacker

if TYPE_CHECKING:
    from lxml import etree
    from protego import Protego

MAX_SITEMAPS = 100
_MAX_DELAY = 30.0


@dataclass
class Sitemap:
    """``pages`` in the order of the sitemap, in the one form of an address.

    ``skipped`` counts those of other hosts. ``problems`` are addresses of parts that could not be read, each with a
    sentence; with any of them the pages are not all.
    """

    pages: list[str] = field(default_factory=list)
    skipped: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    def take(self, pages: list[str], hosts: set[str | None]) -> None:
        own = [page for page in pages if urlsplit(page).hostname in hosts]
        self.skipped += len(pages) - len(own)
        self.pages = list(dict.fromkeys(self.pages + own))


class Manners:
    """How sites want to be treated: no call sooner than ``seconds`` after the last one, and robots.txt."""

    def __init__(self, seconds: float, stop: threading.Event | None = None) -> None:
        self.seconds = seconds
        self._stop = stop or threading.Event()
        self._next: dict[str, float] = defaultdict(float)
        self._rules: dict[str, Protego | FetchRefused | None] = {}
        self._lock = threading.Lock()

    def wait(self, url: str) -> None:
        """Until the site of the address may be called, or this is stopped."""
        site = _site(url)
        with self._lock:
            rules = self._rules.get(site)
            asked = 0.0 if rules is None or isinstance(rules, FetchRefused) else float(rules.crawl_delay(NAME) or 0)
            delay = max(self.seconds, min(asked, _MAX_DELAY))
            at = max(self._next[site], time.monotonic())
            self._next[site] = at + delay
        self._stop.wait(at - time.monotonic())

    def allows(self, url: str) -> bool:
        """What the site's robots.txt says of the page. Raises `FetchRefused` where that cannot be read."""
        site = _site(url)
        with self._lock:
            if site not in self._rules:
                try:
                    self._rules[site] = _robots(f"{site}/robots.txt")
                except FetchRefused as problem:
                    self._rules[site] = problem
            rules = self._rules[site]
        if isinstance(rules, FetchRefused):
            raise rules
        return rules is None or rules.can_fetch(url, NAME)


def read_sitemap(url: str, manners: Manners) -> Sitemap:
    """The pages of a sitemap, and of those that it names if it is an index. Raises `FetchRefused` for the first one."""
    root, moved_to = _read(url, manners)
    hosts = {urlsplit(address).hostname for address in (url, moved_to)}
    found = Sitemap()
    found.take(_addresses(root, "url"), hosts)
    # No index may name another one.
    parts = [part for part in _addresses(root, "sitemap") if urlsplit(part).hostname in hosts]
    for part in parts[:MAX_SITEMAPS]:
        try:
            found.take(_addresses(_read(part, manners)[0], "url"), hosts)
        except FetchRefused as problem:
            found.problems.append((part, str(problem)))
    if len(parts) > MAX_SITEMAPS:
        found.problems.append((url, f"It names more than {MAX_SITEMAPS} sitemaps: those after them were not read."))
    return found


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _robots(url: str) -> "Protego | None":
    """As RFC 9309 has it: a site without one lets everything be read, one whose robots.txt fails nothing."""
    from protego import Protego

    try:
        fetched = asyncio.run(fetch(url))
    except FetchRefused as problem:
        if problem.status and 400 <= problem.status < 500 and problem.status != 429:
            return None
        raise FetchRefused(f"The site's robots.txt cannot be read, so its pages are not. {problem}") from None
    assert fetched, "there was no condition"
    return Protego.parse(fetched.content.decode(errors="replace"))


def _read(url: str, manners: Manners) -> "tuple[etree._Element, str]":
    """The sitemap, and the address where it was found in the end."""
    manners.wait(url)
    fetched = asyncio.run(fetch(url, wanted=_may_be_sitemap))
    assert fetched, "there was no condition"
    return _parsed(fetched.content), fetched.url


def _may_be_sitemap(content_type: str, path: str) -> bool:
    gzip = media_type(content_type) in ("application/gzip", "application/x-gzip")
    return gzip or path.partition("?")[0].endswith(".gz") or can_be_read(content_type, path)


def _parsed(content: bytes) -> "etree._Element":
    """Raises `FetchRefused`."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    try:
        root = etree.fromstring(_unpacked(content) if content.startswith(b"\x1f\x8b") else content, parser)
    except (etree.XMLSyntaxError, CannotUnpack):
        root = None
    if root is None or etree.QName(root).localname not in ("urlset", "sitemapindex"):
        raise FetchRefused("There is no sitemap at this address.")
    return root


def _unpacked(content: bytes) -> bytes:
    """Raises `CannotUnpack`, and `FetchRefused` for a bomb."""
    whole = bytearray()
    for piece in unpacker("gzip").feed(content):
        whole += piece
        if len(whole) > settings.ENV.context_max_bytes:
            raise FetchRefused("The sitemap is larger than CONTEXT_MAX_BYTES.")
    return bytes(whole)


def _addresses(root: "etree._Element", name: str) -> list[str]:
    """What stands in ``<loc>`` of each of these; what is no address of the web is left out."""
    found = []
    for location in root.iterfind(f"{{*}}{name}/{{*}}loc"):
        try:
            found.append(web_address(location.text or ""))
        except FetchRefused:
            continue
    return found
