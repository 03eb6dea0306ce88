"""context/fetch.py: a site that does its worst costs seconds and megabytes, no more."""

import asyncio
import contextlib
import ssl
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest

from context.fetch import UNREACHABLE, FetchRefused
from tests.hostile_site import Answer, Site, head, page, redirect
from tests.internet import PUBLIC, REFUSED, TEXT, Make, Names, Network, fetched, refusal
from tests.packing import PACKED

# Failures before an answer's head, which all look the same.


def silent(site: Site) -> Answer:
    return lambda: [b""] if site.closing.wait() else []


BROKEN: dict[str, Iterable[bytes]] = {
    "nothing": [],
    "half a status line": [b"HTTP/1."],
    "no HTTP": [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"],
    "a head without end": [b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000],
    "5 MB of headers": [b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 10_000 + b"\r\n"] * 500, b"\r\n"],
    "one header of 5 MB": [b"HTTP/1.1 200 OK\r\nx: ", b"y" * 5_000_000, b"\r\n\r\n"],
    "another protocol": [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"],
    "two lengths": [head(content_length=1)[:-2] + b"content-length: 2\r\n\r\nab"],
    "a length that is none": [head(content_length="many")],
    "a negative length": [head(content_length=-1)],
    "NUL in a header": [b"HTTP/1.1 200 OK\r\na: b\x00c\r\n\r\n"],
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_no_answer_is_unreachable(fetcher: Make, site: Site, kind: str) -> None:
    site.answers["/"] = lambda: BROKEN[kind]
    assert await refusal(fetcher()) == REFUSED


async def test_a_name_that_nobody_has_is_unreachable(fetcher: Make) -> None:
    assert await refusal(fetcher(), "http://nobody.example/") == REFUSED


async def test_a_closed_port_is_unreachable(fetcher: Make, network: Network) -> None:
    network.down.add(PUBLIC)
    assert await refusal(fetcher()) == REFUSED


async def test_a_name_too_strange_to_look_up_is_unreachable(fetcher: Make) -> None:
    async def strange(host: str, port: int) -> list[str]:
        raise UnicodeError(host, port)

    assert await refusal(fetcher(resolve=strange)) == REFUSED


@pytest.mark.usefixtures("secure_site")
async def test_a_certificate_of_somebody_else_is_unreachable(fetcher: Make) -> None:
    assert await refusal(fetcher(resolve=Names(other=[[PUBLIC]])), "https://other.example/") == REFUSED


@pytest.mark.usefixtures("secure_site")
async def test_a_certificate_that_nobody_vouches_for_is_unreachable(fetcher: Make) -> None:
    assert await refusal(fetcher(tls=ssl.create_default_context), "https://site.example/") == REFUSED


async def test_a_server_without_tls_is_unreachable_over_it(fetcher: Make, site: Site, network: Network) -> None:
    network.ports[443] = site.port
    assert await refusal(fetcher(), "https://site.example/") == REFUSED


async def test_interim_answers_without_end_are_soon_too_much(fetcher: Make, site: Site) -> None:
    site.answers["/"] = lambda: (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100 for _ in iter(site.closing.is_set, True))
    async with asyncio.timeout(30):
        assert await refusal(fetcher(seconds=60)) == UNREACHABLE.format(60)


async def test_silence_is_unreachable(fetcher: Make, site: Site) -> None:
    site.answers["/"] = silent(site)
    assert await refusal(fetcher(seconds=0.3)) == UNREACHABLE.format(0.3)


async def test_a_slow_name_server_is_unreachable(fetcher: Make) -> None:
    async def slow(host: str, port: int) -> list[str]:  # noqa: ARG001
        await asyncio.sleep(60)
        return [PUBLIC]

    assert await refusal(fetcher(seconds=0.3, resolve=slow)) == UNREACHABLE.format(0.3)


async def test_a_head_by_the_drop_is_unreachable(fetcher: Make, site: Site) -> None:
    site.answers["/"] = lambda: (b"H" for _ in iter(lambda: site.closing.wait(0.05), True))
    assert await refusal(fetcher(seconds=0.3)) == UNREACHABLE.format(0.3)


async def test_a_page_by_the_drop_is_unreachable(fetcher: Make, site: Site) -> None:
    def drops() -> Iterator[bytes]:
        yield head(content_type="text/html", content_length=1000)
        while not site.closing.wait(0.05):
            yield b"x"

    site.answers["/"] = drops
    assert await refusal(fetcher(seconds=0.5)) == UNREACHABLE.format(0.5)


async def test_redirects_share_the_time(fetcher: Make, site: Site) -> None:
    def slowly() -> Iterator[bytes]:
        site.closing.wait(0.2)
        yield from redirect("/")()

    site.answers["/"] = slowly
    assert await refusal(fetcher(seconds=0.5)) == UNREACHABLE.format(0.5)


async def test_a_refusal_does_not_tell_by_its_time(fetcher: Make) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await fetcher(least_seconds=60).fetch("http://127.0.0.1/")


# Answers that are too much, or too little.


def too_large(limit: int) -> str:
    return f"The page is larger than the limit of {limit / 1e6:g} MB."


@pytest.mark.parametrize(("length", "fits"), [(50_000, True), (50_001, False)])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_page_may_be_as_large_as_the_limit(
    fetcher: Make, site: Site, length: int, fits: bool, declared: bool
) -> None:
    body = bytes(length)
    site.answers["/"] = page(body) if declared else lambda: [head(content_type="text/html") + body]
    with contextlib.nullcontext() if fits else pytest.raises(FetchRefused, match=r"limit of 0\.05 MB"):
        assert len((await fetched(fetcher(max_bytes=50_000))).content) == length


async def test_a_length_beyond_the_limit_is_believed(fetcher: Make, site: Site) -> None:
    site.answers["/"] = lambda: [head(content_type="text/html", content_length=10**15)]
    assert await refusal(fetcher()) == too_large(10_000_000)


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
async def test_a_bomb_does_not_go_off(fetcher: Make, site: Site, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = page(pack(bytes(50_000_000)), content_encoding=encoding)()
    site.answers["/"] = lambda: bomb
    tracemalloc.start()
    assert await refusal(fetcher(max_bytes=100_000)) == too_large(100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("framing", [{}, {"transfer_encoding": "chunked"}])
async def test_a_page_without_end_is_too_large(fetcher: Make, site: Site, framing: dict[str, str]) -> None:
    def endless() -> Iterator[bytes]:
        yield head(content_type="text/html", **framing)
        while not site.closing.is_set():
            yield b"1000\r\n" + bytes(4096) + b"\r\n"

    site.answers["/"] = endless
    assert await refusal(fetcher(max_bytes=100_000)) == too_large(100_000)


async def test_a_page_of_crumbs_is_too_large(fetcher: Make, site: Site) -> None:
    def crumbs() -> Iterator[bytes]:
        yield head(content_type="text/html", transfer_encoding="chunked")
        while not site.closing.is_set():
            yield b"1\r\nx\r\n" * 1000

    site.answers["/"] = crumbs
    assert await refusal(fetcher()) == too_large(10_000_000)


async def test_endless_talk_between_chunks_is_too_much(fetcher: Make, site: Site) -> None:
    def talk() -> Iterator[bytes]:
        yield head(content_type="text/html", transfer_encoding="chunked")
        while not site.closing.is_set():
            yield b"1;" + b"x" * 90_000 + b"\r\nx\r\n"

    site.answers["/"] = talk
    async with asyncio.timeout(15):
        assert await refusal(fetcher(max_bytes=100_000)) == too_large(100_000)


@pytest.mark.parametrize(
    "parts",
    [
        [head(content_type="text/html", content_length=1000), TEXT],
        [head(content_type="text/html", transfer_encoding="chunked"), b"ff\r\nabc"],
        [head(content_type="text/html", transfer_encoding="chunked"), b"3\r\nabc\r\n"],
        [head(content_type="text/html", transfer_encoding="chunked"), b"zz\r\nabc\r\n"],
    ],
)
async def test_half_a_page_is_no_page(fetcher: Make, site: Site, parts: list[bytes]) -> None:
    site.answers["/"] = lambda: parts
    assert await refusal(fetcher()) == "The page did not arrive whole: try again."


async def test_what_comes_after_the_end_is_not_read(fetcher: Make, site: Site) -> None:
    site.answers["/"] = page(TEXT + b"more", content_length=len(TEXT))
    assert (await fetched(fetcher())).content == TEXT


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
async def test_half_of_what_was_packed_is_no_page(
    fetcher: Make, site: Site, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    site.answers["/"] = page(pack(TEXT * 20)[:-4], content_encoding=encoding)
    assert await refusal(fetcher()) == "The site's answer is compressed in a way that cannot be undone."


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "gzip, br", "unheard-of"])
async def test_what_is_not_packed_as_it_says_is_refused(fetcher: Make, site: Site, encoding: str) -> None:
    site.answers["/"] = page(b"<html>no, not packed at all</html>", content_encoding=encoding)
    assert await refusal(fetcher()) == "The site's answer is compressed in a way that cannot be undone."
