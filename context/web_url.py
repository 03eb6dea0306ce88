"""A web address as somebody typed it, made unmistakable."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

MAX_CHARS = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}

_TOO_LONG = f"is longer than {MAX_CHARS} characters, counting each that must be written as %XX as three."
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^][:@\\%\s]+))(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
# What the C library takes for a part of an IPv4 address: 127.1, 0177.0.0.1 and 0x7f000001 are all 127.0.0.1.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_KEPT_IN_PATH = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True)
class WebURL:
    """An ``http`` or ``https`` URL without fragment, its host lower case and ASCII.

    ``host`` is a name or an IP address in its one canonical form, without brackets; ``target`` is path and query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``ValueError`` with half a sentence, such as "must not hold a user name or password."."""
        text = text.strip()
        if len(text) > MAX_CHARS:
            raise ValueError(_TOO_LONG)
        if _UNPRINTABLE.search(text):
            raise ValueError("holds a character that cannot be printed.")
        try:
            parts = urlsplit(text)
        except ValueError:
            raise ValueError("is no web address.") from None
        if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
            raise ValueError("must be a web address like https://example.com/page.")
        if "@" in parts.netloc:
            raise ValueError("must not hold a user name or password.")
        host, port = _host_and_port(parts.netloc)
        query = f"?{quote(parts.query, safe=_KEPT_IN_PATH + '?')}" if parts.query else ""
        target = quote(parts.path or "/", safe=_KEPT_IN_PATH) + query
        url = cls(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], target)
        if len(str(url)) > MAX_CHARS:
            raise ValueError(_TOO_LONG)
        return url

    def join(self, location: str) -> Self:
        """Where a redirect from here leads; raises ``ValueError`` as ``parse`` does."""
        return self.parse(urljoin(str(self), location))

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The IP address, if the host is one and not a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port, as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def _host_and_port(authority: str) -> tuple[str, int | None]:
    match = _AUTHORITY.fullmatch(authority)
    if not match:
        raise ValueError("has no valid host.")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError("has no valid port.")
    try:
        return str(IPv6Address(match["ipv6"])) if match["ipv6"] else _name(match["name"]), port
    except ValueError:
        raise ValueError("has no valid host.") from None


def _name(name: str) -> str:
    """The name in ASCII, or the IPv4 address in four decimal numbers; any other way to write one is refused."""
    if not name.isascii():
        # Only here: its tables take half a megabyte.
        import idna

        # Also makes digits and dots of characters that only look like them, so it comes before the look for numbers.
        name = idna.encode(name[:MAX_CHARS], uts46=True).decode()
    name = name.lower().removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(IPv4Address(name))
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError
    return name
