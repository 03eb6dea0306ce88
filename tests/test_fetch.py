"""context/fetch.py: what a public page gives, over real sockets."""

from collections.abc import Callable

import pytest
from django.conf import settings

from context.fetch import Fetched, FetchRefused, fetch
from tests.hostile_site import Site, head, page
from tests.internet import PUBLIC, PUBLIC_V6, REFUSED, TEXT, Make, Names, Network, fetched, refusal
from tests.packing import PACKED

# A page as it should be.


async def test_a_page_is_fetched(fetcher: Make, site: Site) -> None:
    site.answers["/a?b=c"] = page(TEXT, etag='"1"', last_modified="yesterday", content_type="text/html; charset=x")
    found = await fetched(fetcher(), "http://SITE.example/a?b=c#d")
    assert found == Fetched("http://site.example/a?b=c", TEXT, "text/html; charset=x", '"1"', "yesterday")


async def test_a_page_is_fetched_over_tls(fetcher: Make, secure_site: Site) -> None:
    secure_site.answers["/"] = page(TEXT)
    assert (await fetched(fetcher(), "https://site.example/")).content == TEXT


async def test_a_page_is_fetched_from_a_public_address_over_tls(fetcher: Make, secure_site: Site) -> None:
    secure_site.answers["/"] = page(TEXT)
    assert (await fetched(fetcher(), f"https://{PUBLIC}/")).content == TEXT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "site.example"),
        ("user-agent", "CC-Agent (+https://agent.example)"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("connection", "close"),
        ("if-none-match", None),
        ("if-modified-since", None),
        ("cookie", None),
    ],
)
async def test_a_request_says_what_it_must(fetcher: Make, site: Site, name: str, value: str | None) -> None:
    site.answers["/"] = page(TEXT)
    await fetched(fetcher(user_agent="CC-Agent (+https://agent.example)"))
    assert site.field(name) == value


async def test_an_ipv6_address_has_brackets_in_the_host_header(fetcher: Make, site: Site) -> None:
    site.answers["/"] = page(TEXT)
    await fetched(fetcher(), f"http://[{PUBLIC_V6}]/")
    assert site.field("host") == f"[{PUBLIC_V6}]"


async def test_what_has_not_changed_is_none(fetcher: Make, site: Site) -> None:
    site.answers["/"] = page(status="304 Not Modified")
    assert await fetcher().fetch("http://site.example/", etag='"1"', last_modified="yesterday") is None
    assert (site.field("if-none-match"), site.field("if-modified-since")) == ('"1"', "yesterday")


async def test_a_condition_that_fits_no_header_is_left_out(fetcher: Make, site: Site) -> None:
    site.answers["/"] = page(TEXT)
    await fetched(fetcher(), etag="\xff", last_modified="yesterday\r\nHost: other")
    assert (site.field("if-none-match"), site.field("if-modified-since")) == (None, None)


async def test_what_was_never_known_cannot_be_unchanged(fetcher: Make, site: Site) -> None:
    site.answers["/"] = page(status="304 Not Modified")
    assert await refusal(fetcher()) == "The site answered 304 Not Modified: check the address."


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
async def test_a_packed_page_is_unpacked(
    fetcher: Make, site: Site, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    site.answers["/"] = page(pack(TEXT), content_encoding=encoding)
    assert (await fetched(fetcher())).content == TEXT


async def test_a_page_may_come_in_chunks(fetcher: Make, site: Site) -> None:
    site.answers["/"] = lambda: [head(content_type="text/plain", transfer_encoding="chunked"), b"3\r\nabc\r\n0\r\n\r\n"]
    assert (await fetched(fetcher())).content == b"abc"


async def test_an_old_server_ends_a_page_by_hanging_up(fetcher: Make, site: Site) -> None:
    site.answers["/"] = lambda: [b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n", TEXT]
    assert (await fetched(fetcher())).content == TEXT


async def test_an_interim_answer_is_no_answer(fetcher: Make, site: Site) -> None:
    site.answers["/"] = lambda: [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *page(TEXT)()]
    assert (await fetched(fetcher())).content == TEXT


async def test_the_next_address_is_tried_when_one_does_not_answer(fetcher: Make, site: Site, network: Network) -> None:
    site.answers["/"] = page(TEXT)
    network.down.add(PUBLIC_V6)
    await fetched(fetcher(resolve=Names(site=[[PUBLIC_V6, PUBLIC]])))
    assert network.reached == [PUBLIC_V6, PUBLIC]


async def test_a_name_with_a_thousand_addresses_makes_no_flood(fetcher: Make, network: Network) -> None:
    assert await refusal(fetcher(resolve=Names(site=[["1.1.1.1"] * 1000]))) == REFUSED
    assert len(network.reached) == 4


async def test_the_agents_settings_hold(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/"] = page(TEXT)
    url = f"http://127.0.0.1:{site.port}/"
    held = {
        "context_url_allow": "127.0.0.1",
        "context_url_ports": f"81,{site.port}",
        "app_url": "https://agent.example",
    }
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=held))
    assert await fetch(url)
    assert site.field("user-agent") == "CC-Agent (+https://agent.example)"
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"context_max_bytes": len(TEXT) - 1}))
    with pytest.raises(FetchRefused, match="larger than the limit"):
        await fetch(url)


# Answers that are told as they are: the site is public, and anybody may ask it.


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("404 Gone fishing", "404 Not Found"),
        ("403 No", "403 Forbidden"),
        ("500 \xff", "500 Internal Server Error"),
        ("204 No Content", "204 No Content"),
        ("206 Partial Content", "206 Partial Content"),
        ("302 Found", "302 Found"),
        ("799 Who knows", "799"),
    ],
)
async def test_another_status_is_told_in_our_words(fetcher: Make, site: Site, status: str, reason: str) -> None:
    site.answers["/"] = lambda: [f"HTTP/1.1 {status}\r\n\r\n".encode("latin-1")]
    assert await refusal(fetcher()) == f"The site answered {reason}: check the address."


@pytest.mark.parametrize(
    ("content_type", "path"),
    [
        ("text/html", "/"),
        ("TEXT/HTML; charset=utf-8", "/"),
        ("text/plain", "/a.exe"),
        ("text/x-rst", "/"),
        ("application/pdf", "/"),
        ("application/json", "/"),
        ("application/ld+json", "/"),
        ("application/rss+xml", "/"),
        ("application/xhtml+xml", "/"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "/"),
        ("application/octet-stream", "/a.pdf"),
        ("application/octet-stream", "/a.PY?download=1"),
        ("application/zip", "/a.docx"),
        ("", "/a.md"),
        ("", "/a"),
        ("nonsense", "/"),
    ],
)
async def test_text_and_documents_are_read(fetcher: Make, site: Site, content_type: str, path: str) -> None:
    site.answers[path] = page(TEXT, content_type=content_type)
    assert (await fetched(fetcher(), f"http://site.example{path}")).content == TEXT


@pytest.mark.parametrize(
    ("content_type", "path"),
    [
        ("image/png", "/a.pdf"),
        ("image/svg+xml", "/"),
        ("video/mp4", "/"),
        ("audio/mpeg", "/"),
        ("font/woff2", "/"),
        ("application/zip", "/a.zip"),
        ("application/octet-stream", "/"),
        ("application/octet-stream", "/a.exe"),
        ("application/octet-stream", "/page?name=a.pdf"),
        ("application/x-msdownload", "/a.txt"),
        ("", "/a.iso"),
        ("multipart/form-data; boundary=x", "/"),
    ],
)
async def test_what_holds_no_text_is_refused_unread(fetcher: Make, site: Site, content_type: str, path: str) -> None:
    site.answers[path] = page(TEXT, content_type=content_type)
    assert "which is not among the texts" in await refusal(fetcher(), f"http://site.example{path}")


async def test_a_sentence_quotes_no_strange_type(fetcher: Make, site: Site) -> None:
    site.answers["/a.bin"] = page(TEXT, content_type="<script>alert(1)</script>")
    assert "script" not in await refusal(fetcher(), "http://site.example/a.bin")
