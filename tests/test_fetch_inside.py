"""context/fetch.py: addresses that lead inside are refused, and nobody there hears of it."""

from typing import Any

import httpcore2
import pytest

from ccagent.environment import allowed_hosts
from context.fetch import Fetcher
from tests.hostile_site import Site, nobody_comes, page, redirect
from tests.internet import PUBLIC, PUBLIC_V6, REFUSED, TEXT, Make, Names, Network, fetched, refusal

# Addresses that lead inside. Not one packet goes there.

INSIDE = """
http://127.0.0.1 http://127.0.0.2 http://127.255.255.255 http://0.0.0.0 http://10.0.0.1 http://172.16.0.1
http://192.168.0.1 http://100.64.0.1 http://169.254.169.254 http://168.63.129.16 http://224.0.0.1 http://255.255.255.255
http://127.0.0.1. http://LOCALHOST http://localhost. http://localhost http://①②⑦.⓪.⓪.① http://127。0。0。1
http://[::1] http://[::] http://[0:0:0:0:0:0:0:1] http://[::ffff:127.0.0.1] http://[::ffff:7f00:1] http://[::127.0.0.1]
http://[::ffff:0:127.0.0.1] http://[64:ff9b::127.0.0.1] http://[64:ff9b:1::127.0.0.1] http://[2002:7f00:1::]
http://[2001:0:4136:e378:8000:63bf:80ff:fffe] http://[fe80::1] http://[fec0::1] http://[fc00::1] http://[fd00:ec2::254]
http://[ff02::1] http://[2001:db8::1] http://[100::1] http://[5f00::1] http://[2606:2800::5efe:127.0.0.1]
""".split()  # noqa: SIM905
MALFORMED = """
http://2130706433 http://0x7f000001 http://0x7f.0.0.1 http://0177.0.0.1 http://017700000001 http://127.1 http://127.0.1
http://0 http://127.0.0.01 http://1.1.1.1.1 http://[fe80::1%25lo] http://[::1%lo] http://[::1]x http://%31%32%37.0.0.1
http://user@127.0.0.1 http://site.example@127.0.0.1 http://127.0.0.1\\@site.example https:127.0.0.1 //127.0.0.1
http:/127.0.0.1 file:///etc/passwd ftp://127.0.0.1 gopher://127.0.0.1 dict://127.0.0.1 unix:///run/x data:text/plain,x
""".split()  # noqa: SIM905


@pytest.mark.parametrize("url", INSIDE)
async def test_an_address_inside_is_refused_and_nobody_there_hears_of_it(url: str) -> None:
    with nobody_comes() as port:
        fetcher = Fetcher(ports=frozenset({port}), least_seconds=0)
        assert await refusal(fetcher, f"{url}:{port}/") == REFUSED


@pytest.mark.parametrize("url", MALFORMED)
async def test_a_strange_way_to_write_one_is_refused_and_nobody_there_hears_of_it(url: str) -> None:
    with nobody_comes() as port:
        fetcher = Fetcher(ports=frozenset({port}), least_seconds=0)
        assert (await refusal(fetcher, f"{url}:{port}/")).startswith("The address ")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, PUBLIC_V6, "::ffff:127.0.0.1"],
        ["::1", PUBLIC_V6],
        ["fe80::1%lo", PUBLIC],
        [*["1.1.1.1"] * 50, "10.0.0.1"],
        [],
    ],
)
async def test_a_name_is_refused_unless_all_its_addresses_are_public(
    fetcher: Make, network: Network, addresses: list[str]
) -> None:
    assert await refusal(fetcher(resolve=Names(inside=[addresses])), "http://inside.example/") == REFUSED
    assert network.reached == []


async def test_a_name_is_looked_up_once_and_that_address_connected_to(
    fetcher: Make, site: Site, network: Network
) -> None:
    site.answers["/"] = page(TEXT)
    names = Names(rebinding=[[PUBLIC], ["127.0.0.1"]])
    await fetched(fetcher(resolve=names), "http://rebinding.example/")
    assert (names.asked, network.reached) == (["rebinding.example"], [PUBLIC])


async def test_a_redirect_to_the_same_name_is_looked_up_and_checked_again(
    fetcher: Make, site: Site, network: Network
) -> None:
    site.answers["/"] = redirect("/again")
    names = Names(rebinding=[[PUBLIC], ["127.0.0.1"]])
    assert await refusal(fetcher(resolve=names), "http://rebinding.example/") == REFUSED
    assert (site.paths, network.reached) == (["/"], [PUBLIC])


async def test_the_log_has_the_reason_and_not_the_address(fetcher: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await refusal(fetcher(resolve=Names(inside=[["10.1.2.3"]])), "http://inside.example/secret")
    assert caplog.messages == ["An address was not fetched: it is not public"]


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 444, 81, 65535])
async def test_other_ports_are_refused_before_any_look_up(fetcher: Make, port: int) -> None:
    names = Names()
    sentence = await refusal(fetcher(resolve=names), f"http://site.example:{port}/")
    assert (sentence, names.asked) == (f"The address has port {port}, which is not fetched from.", [])


# Redirects.


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_followed(fetcher: Make, site: Site, status: str) -> None:
    site.answers |= {"/": redirect("/%C3%B6?b", status), "/%C3%B6?b": page(TEXT)}
    assert (await fetched(fetcher())).url == "http://site.example/%C3%B6?b"


async def test_a_redirect_may_turn_to_tls(fetcher: Make, site: Site, secure_site: Site) -> None:
    site.answers["/"] = redirect("https://site.example/")
    secure_site.answers["/"] = page(TEXT)
    assert (await fetched(fetcher())).url == "https://site.example/"


async def test_three_redirects_are_followed_and_no_more(fetcher: Make, site: Site) -> None:
    site.answers |= {f"/{step}": redirect(f"/{step + 1}") for step in range(4)} | {"/4": page(TEXT)}
    assert (await fetched(fetcher(), "http://site.example/1")).content == TEXT
    assert await refusal(fetcher(), "http://site.example/0") == "The address redirects more than 3 times."


@pytest.mark.parametrize("location", ["/", "", "http://site.example", "?", "#a"])
async def test_a_redirect_in_a_circle_ends(fetcher: Make, site: Site, location: str) -> None:
    site.answers["/"] = redirect(location)
    await refusal(fetcher())
    assert len(site.heads) <= 4


@pytest.mark.parametrize("location", [url + "/" for url in INSIDE] + ["//127.0.0.1/", "http://[::1]/"])
async def test_a_redirect_inside_is_refused(fetcher: Make, site: Site, network: Network, location: str) -> None:
    site.answers["/"] = lambda: [f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode()]
    assert await refusal(fetcher(resolve=Names(**{"localhost": [["127.0.0.1"]]}))) == REFUSED
    assert network.reached == [PUBLIC]


@pytest.mark.parametrize(
    "location", [*MALFORMED[:10], "file:///etc/passwd", "ftp://site.example/", "http://a:b@site.example/"]
)
async def test_a_redirect_to_what_is_no_web_address_is_refused(
    fetcher: Make, site: Site, network: Network, location: str
) -> None:
    site.answers["/"] = redirect(location)
    assert (await refusal(fetcher())).startswith("The address redirects to one that ")
    assert network.reached == [PUBLIC]


async def test_a_redirect_to_another_port_is_refused(fetcher: Make, site: Site) -> None:
    site.answers["/"] = redirect("http://site.example:6379/")
    assert await refusal(fetcher()) == "The address has port 6379, which is not fetched from."


async def test_a_redirect_from_tls_to_none_is_refused(fetcher: Make, secure_site: Site, network: Network) -> None:
    secure_site.answers["/"] = redirect("http://site.example/")
    sentence = await refusal(fetcher(), "https://site.example/")
    assert sentence == "The address redirects from https to http, which is not followed."
    assert len(network.reached) == 1


# What an operator allows.


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1/"),
        ("127.0.0.0/8", "http://127.0.0.1/"),
        ("127.0.0.0/8", "http://wiki.example/"),
        ("wiki.example", "http://wiki.example/"),
        ("other.example, Wiki.Example", "http://wiki.example./"),
        ("wiki.example:8080", "http://wiki.example:8080/"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("[::1]:8080", "http://[::1]:8080/"),
        ("::1", "http://[::1]/"),
        ("::/64", "http://[::1]/"),
    ],
)
async def test_an_allowed_private_host_is_fetched_from(site: Site, allowed: str, url: str) -> None:
    class Inside(httpcore2.AsyncNetworkBackend):
        async def connect_tcp(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
            return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", site.port)

    site.answers["/"] = page(TEXT)
    names = Names(wiki=[["127.0.0.1"]])
    assert await fetched(Fetcher(allowed=allowed_hosts(allowed), resolve=names, network=Inside()), url)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("wiki.example", "http://127.0.0.1/"),
        ("wiki.example", "http://a.wiki.example/"),
        ("wiki.example", "http://wiki.example:8080/"),
        ("wiki.example:8080", "http://wiki.example/"),
        ("wiki.example:8080", "http://wiki.example:8081/"),
        ("127.0.0.0/8", "http://127.0.0.1:8080/"),
        ("127.0.0.0/8", "http://[::ffff:127.0.0.1]/"),
        ("127.0.0.0/8", "http://mixed.example/"),
        ("10.0.0.0/8", "http://wiki.example/"),
    ],
)
async def test_an_allowance_is_for_nobody_else(fetcher: Make, network: Network, allowed: str, url: str) -> None:
    names = Names(wiki=[["127.0.0.1"]], mixed=[["127.0.0.1", "192.168.0.1"]])
    await refusal(fetcher(allowed=allowed_hosts(allowed), resolve=names), url)
    assert network.reached == []


async def test_the_machines_proxies_are_not_asked(fetcher: Make, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/"] = page(TEXT)
    with nobody_comes() as port:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert (await fetched(fetcher())).content == TEXT


async def test_names_are_looked_up_in_earnest() -> None:
    assert set(await Fetcher().resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
