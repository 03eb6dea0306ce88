"""The chat window may call from a page on any origin."""

import httpx2
import pytest

from tests.conftest import Serve, Server

ENDPOINTS = {
    "/api/chat/message": "POST",
    "/api/chat/message/stream": "POST",
    "/api/chat/history": "GET",
    "/api/context/text": "POST",
}
ORIGIN = {"Origin": "https://window.example"}
HEADERS = {"content-type", "authorization", "x-cc-api-key", "x-cc-email"}


def preflight(server: Server, path: str) -> httpx2.Response:
    asks = {"Access-Control-Request-Method": ENDPOINTS.get(path, "POST")}
    asks |= {"Access-Control-Request-Headers": ", ".join(sorted(HEADERS))}
    return httpx2.options(f"{server.url}{path}", headers=ORIGIN | asks)


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_preflight_needs_no_key(server: Server, path: str) -> None:
    answer = preflight(server, path)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_preflight_allows_the_method_and_exactly_the_headers_of_the_window(server: Server, path: str) -> None:
    answer = preflight(server, path)
    assert ENDPOINTS[path].lower() in words(answer.headers["Access-Control-Allow-Methods"])
    assert words(answer.headers["Access-Control-Allow-Headers"]) == HEADERS


@pytest.mark.parametrize("path", ENDPOINTS)
def test_no_credentials_are_allowed(server: Server, path: str) -> None:
    assert "Access-Control-Allow-Credentials" not in preflight(server, path).headers


@pytest.mark.parametrize("path", ENDPOINTS)
def test_options_that_is_no_preflight_tells_the_methods(server: Server, path: str) -> None:
    answer = httpx2.options(f"{server.url}{path}")
    assert (answer.status_code, answer.json()) == (200, {"data": None, "success": True})
    assert {ENDPOINTS[path].lower(), "options"} <= words(answer.headers["Allow"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/chat/message", 200),
        ("POST", "/api/chat/message/stream", 200),
        ("GET", "/api/chat/history", 200),
        ("POST", "/api/context/text", 200),
        ("GET", "/api/nothing", 404),
        ("DELETE", "/api/chat/message", 405),
    ],
)
def test_every_answer_may_be_read_from_another_origin(
    person: httpx2.Client, method: str, path: str, status: int
) -> None:
    answer = person.request(method, path, json={"message": "Hi", "text": "Corsican"}, headers=ORIGIN)
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_so_may_a_401(server: Server) -> None:
    answer = httpx2.get(f"{server.url}/api/chat/history", headers=ORIGIN)
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_so_may_a_413(person: httpx2.Client) -> None:
    answer = person.post("/api/chat/message", content=b" " * 10_485_761, headers=ORIGIN)
    assert answer.status_code == 413
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_window_may_read_the_headers_that_say_something(person: httpx2.Client) -> None:
    answer = person.get("/api/chat/history", headers=ORIGIN)
    assert {"link", "retry-after"} <= words(answer.headers["Access-Control-Expose-Headers"])


def test_the_admin_is_for_its_own_origin_alone(server: Server) -> None:
    answer = httpx2.get(f"{server.url}/admin/login/", headers=ORIGIN)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.fixture
def choosy(serve: Serve) -> Server:
    return serve(CORS_ALLOWED_ORIGINS="https://window.example, https://other.example")


@pytest.mark.parametrize("origin", ["https://window.example", "https://other.example"])
def test_a_listed_origin_is_allowed(choosy: Server, origin: str) -> None:
    answer = httpx2.get(f"{choosy.url}/api/chat/history", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://window.example", "https://window.example.evil", "null"]
)
def test_an_origin_that_is_not_listed_is_not_allowed(choosy: Server, origin: str) -> None:
    answer = httpx2.get(f"{choosy.url}/api/chat/history", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
