"""POST /api/context/url: a page of the web becomes a document, by a real server and over real sockets."""

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from ccagent.api.errors import ApiError
from context import views
from context.fetch import UNREACHABLE
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider
from tests.hostile_site import Site, nobody_comes, page, redirect

REFUSED = {"success": False, "error": UNREACHABLE.format(20)}


@pytest.fixture(scope="module")
def closed() -> Iterator[int]:
    """A port of this machine that nobody may connect to."""
    with nobody_comes() as port:
        yield port


@pytest.fixture
def fetching(serve: Serve, site: Site, closed: int, provider: FakeProvider) -> Server:
    """A server that may fetch from the test's site and from nothing else of this machine."""
    return serve(
        CONTEXT_URL_ALLOW=f"127.0.0.1:{site.port}",
        CONTEXT_URL_PORTS=str(closed),
        CONTEXT_MAX_BYTES="200000",
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
    )


@pytest.fixture
def reader(fetching: Server, email: str) -> Iterator[httpx2.Client]:
    with fetching.client(email) as client:
        yield client


@pytest.fixture
def word() -> str:
    """A word that stands on no other test's page."""
    return f"w{uuid.uuid4().hex}"


def address(site: Site, path: str = "/") -> str:
    return f"http://127.0.0.1:{site.port}{path}"


def article(text: str, title: str = "A page") -> bytes:
    return f"<html><head><title>{title}</title></head><body><article><p>{text}</p></article></body></html>".encode()


def added(reader: httpx2.Client, url: str) -> dict[str, Any]:
    answer = reader.post("/api/context/url", json={"url": url})
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    data: dict[str, Any] = answer.json()["data"]
    return data


def refused(reader: httpx2.Client, url: str) -> str:
    answer = reader.post("/api/context/url", json={"url": url})
    assert answer.status_code == 422, answer.text
    return str(answer.json()["error"])


def test_a_page_becomes_a_document(reader: httpx2.Client, site: Site, word: str) -> None:
    site.answers[f"/{word}"] = page(f"Words about {word}.".encode(), content_type="text/plain")
    document = added(reader, address(site, f"/{word}#part"))
    assert document == {
        "id": document["id"],
        "title": f"Words about {word}.",
        "source": address(site, f"/{word}"),
        "status": "ready",
        "chunks": 1,
        "characters": 46,
    }


def test_a_page_is_in_the_models_prompt(reader: httpx2.Client, site: Site, provider: FakeProvider, word: str) -> None:
    site.answers[f"/{word}"] = page(article(f"The secret of {word} is in this sentence."))
    added(reader, address(site, f"/{word}"))
    reader.post("/api/chat/message", json={"message": f"What about {word}?"})
    assert f"The secret of {word}" in str(provider.requests[-1].messages[0]["content"])


def test_the_same_page_again_is_the_same_document(reader: httpx2.Client, site: Site, word: str) -> None:
    site.answers[f"/{word}"] = page(article(f"Words about {word}."))
    assert added(reader, address(site, f"/{word}")) == added(reader, address(site, f"/{word}"))


def test_new_content_replaces_the_old(reader: httpx2.Client, site: Site, word: str) -> None:
    site.answers[f"/{word}"] = page(f"Old {word}".encode(), content_type="text/plain")
    old = added(reader, address(site, f"/{word}"))
    site.answers[f"/{word}"] = page(f"Newer {word}".encode(), content_type="text/plain")
    assert added(reader, address(site, f"/{word}")) == old | {"characters": 39, "title": f"Newer {word}"}


def test_a_page_behind_a_redirect_is_known_by_the_address_that_was_given(
    reader: httpx2.Client, site: Site, word: str
) -> None:
    site.answers |= {f"/{word}": redirect("/other"), "/other": page(article(f"Words about {word}."))}
    assert added(reader, address(site, f"/{word}"))["source"] == address(site, f"/{word}")


def test_the_same_page_at_once_is_one_document(reader: httpx2.Client, site: Site, word: str) -> None:
    site.answers[f"/{word}"] = page(article(f"Words about {word}."))
    with ThreadPoolExecutor(12) as pool:
        documents = list(pool.map(lambda _: added(reader, address(site, f"/{word}")), range(12)))
    assert len({document["id"] for document in documents}) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "127.0.0.1.", "127。0。0。1"]
)
def test_an_address_inside_is_refused_and_nobody_there_hears_of_it(
    reader: httpx2.Client, closed: int, host: str
) -> None:
    answer = reader.post("/api/context/url", json={"url": f"http://{host}:{closed}/"})
    assert (answer.status_code, answer.json()) == (422, REFUSED)


@pytest.mark.parametrize("location", ["http://127.0.0.1:{closed}/", "http://localhost:{closed}/", "http://10.0.0.1/"])
def test_a_redirect_inside_is_refused_in_the_same_words(
    reader: httpx2.Client, site: Site, closed: int, location: str
) -> None:
    site.answers["/"] = redirect(location.format(closed=closed))
    answer = reader.post("/api/context/url", json={"url": address(site)})
    assert (answer.status_code, answer.json()) == (422, REFUSED)


def test_a_name_that_nobody_has_is_refused_in_the_same_words(reader: httpx2.Client) -> None:
    answer = reader.post("/api/context/url", json={"url": "http://nobody.invalid/"})
    assert (answer.status_code, answer.json()) == (422, REFUSED)


def test_what_the_site_answers_is_told(reader: httpx2.Client, site: Site) -> None:
    assert refused(reader, address(site, "/nothing")) == "The site answered 404 Not Found: check the address."


def test_a_page_may_be_too_large(reader: httpx2.Client, site: Site) -> None:
    site.answers["/"] = page(b"x " * 100_001)
    assert refused(reader, address(site)) == "The page is larger than the limit of 0.2 MB."


def test_a_picture_is_refused(reader: httpx2.Client, site: Site) -> None:
    site.answers["/"] = page(b"\x89PNG", content_type="image/png")
    assert refused(reader, address(site)).startswith("The address leads to image/png, ")


def test_a_page_without_text_is_refused_in_a_sentence(reader: httpx2.Client, site: Site) -> None:
    site.answers["/"] = page(b"%PDF-1.7 and nothing more", content_type="application/pdf")
    assert refused(reader, address(site)).endswith(".")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "url: This field is required."),
        ({"url": None}, "url: This field may not be null."),
        ({"url": ""}, "url: This field may not be blank."),
        ({"url": 1}, "url: must be a string."),
        ({"url": ["http://a.example"]}, "url: must be a string."),
        ({"url": "words"}, "url: must be a web address like https://example.com/page."),
        ({"url": "file:///etc/passwd"}, "url: must be a web address like https://example.com/page."),
        ({"url": "http://a:b@example.com"}, "url: must not hold a user name or password."),
        ({"url": "http://2130706433/"}, "url: has no valid host."),
        ({"url": "http://example.com/\x07"}, "url: holds a character that cannot be printed."),
    ],
)
def test_what_is_malformed_is_400_with_field_and_reason(
    reader: httpx2.Client, body: dict[str, object], sentence: str
) -> None:
    answer = reader.post("/api/context/url", json=body)
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": sentence})


def test_a_stranger_is_refused(fetching: Server, site: Site) -> None:
    with fetching.client(key="wrong") as stranger:
        assert stranger.post("/api/context/url", json={"url": address(site)}).status_code == 401
    assert site.heads == []


def test_other_methods_are_405(reader: httpx2.Client) -> None:
    assert reader.get("/api/context/url").status_code == 405


def test_addresses_and_texts_count_together(serve: Serve, email: str) -> None:
    with serve(CONTEXT_RATE="2/hour").client(email) as person:
        bodies = [{"url": "http://127.0.0.1/"}, {"text": "Some words."}, {"url": "http://127.0.0.1/"}]
        paths = ["/api/context/url", "/api/context/text", "/api/context/url"]
        statuses = [person.post(path, json=body).status_code for path, body in zip(paths, bodies, strict=True)]
    assert statuses == [422, 200, 429]


async def test_who_finds_all_places_taken_is_told_so_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_places", asyncio.Semaphore(0))
    monkeypatch.setattr(views, "_WAIT_SECONDS", 0.01)
    with pytest.raises(ApiError, match="Too many addresses are being fetched") as caught:
        async with views._place():
            pass
    assert (caught.value.status, caught.value.retry_after) == (503, 60)
