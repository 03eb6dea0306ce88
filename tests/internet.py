"""An internet for tests: names, a network, and sites on it that do as a test says."""

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpcore2
import pytest
import trustme
from django.conf import settings

from context.fetch import UNREACHABLE, Fetched, Fetcher, FetchRefused
from tests.hostile_site import Site

# An address that is public as far as anybody can tell; `Network` has the test's site there.
PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:21f:cb07::1"
REFUSED = UNREACHABLE.format(20)
TEXT = b"George is the king of the jungle."


class Network(httpcore2.AsyncNetworkBackend):
    """The internet as a test has it: the site is at the public addresses, and all else is unreachable."""

    def __init__(self, http: Site, https: Site) -> None:
        self.ports = {80: http.port, 443: https.port}
        self.reached: list[str] = []
        self.down: set[str] = set()

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        self.reached.append(host)
        if host not in (PUBLIC, PUBLIC_V6) or host in self.down:
            raise httpcore2.ConnectError
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", self.ports[port])


class Names:
    """A name server: each look-up of a name gives its next answer, the last one for good."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {"site.example": [[PUBLIC]]} | {f"{name}.example": answer for name, answer in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:  # noqa: ARG002
        self.asked.append(host)
        if host not in self.answers:
            raise OSError
        left = self.answers[host]
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def sites(authority: trustme.CA) -> Iterator[tuple[Site, Site]]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("site.example", PUBLIC).configure_cert(tls)
    with Site() as http, Site(tls) as https:
        yield http, https


@pytest.fixture
def site(sites: tuple[Site, Site]) -> Site:
    sites[0].reset()
    return sites[0]


@pytest.fixture
def open_site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The test's site at its private address, which may be fetched from all the same."""
    env = settings.ENV.model_copy(update={"context_url_allow": f"127.0.0.1:{site.port}"})
    monkeypatch.setattr(settings, "ENV", env)
    return site


@pytest.fixture
def secure_site(sites: tuple[Site, Site]) -> Site:
    sites[1].reset()
    return sites[1]


@pytest.fixture
def network(sites: tuple[Site, Site]) -> Network:
    return Network(*sites)


Make = Callable[..., Fetcher]


@pytest.fixture
def fetcher(network: Network, authority: trustme.CA) -> Make:
    """A fetcher on the test's internet, with no other allowance than that of the open web."""
    tls = ssl.create_default_context()
    authority.configure_trust(tls)

    def make(**rules: Any) -> Fetcher:
        usual: dict[str, Any] = {"network": network, "resolve": Names(), "tls": lambda: tls, "least_seconds": 0}
        return Fetcher(**usual | rules)

    return make


async def fetched(fetcher: Fetcher, url: str = "http://site.example/", **conditions: str) -> Fetched:
    found = await fetcher.fetch(url, **conditions)
    assert found
    return found


async def refusal(fetcher: Fetcher, url: str = "http://site.example/") -> str:
    with pytest.raises(FetchRefused) as caught:
        await fetcher.fetch(url)
    return str(caught.value)
