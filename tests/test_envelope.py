"""Every answer under /api/ has the envelope, whatever was sent."""

import http.client
import json
import socket
import uuid
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from tests.conftest import KEY, Serve, Server

POSTS = ["/api/chat/message", "/api/chat/message/stream", "/api/context/text"]
WORDS = json.dumps({"message": "Hi", "text": "Some words to know."}).encode()


def refusal(answer: httpx2.Response, status: int) -> str:
    """The sentence of an answer that must be an ``Error`` with this status."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert (set(body), body["success"]) == ({"success", "error"}, False)
    sentence: str = body["error"]
    assert sentence.endswith(".")
    return sentence


def send(server: Server, request: bytes, *, half: bool = False) -> httpx2.Response:
    """Sends the bytes as they are, and reads one answer; ``half`` closes the sending side after them."""
    with socket.create_connection(("127.0.0.1", int(server.env["PORT"])), timeout=10) as connection:
        connection.sendall(request)
        if half:
            connection.shutdown(socket.SHUT_WR)
        with http.client.HTTPResponse(connection) as answer:
            answer.begin()
            return httpx2.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def head(method: str, path: str, *lines: str) -> bytes:
    """A request's head, with key and e-mail."""
    given = ["Host: localhost", f"X-CC-API-KEY: {KEY}", "X-CC-EMAIL: a@b.co", *lines]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *given, "", ""]).encode("latin-1")


def post(person: httpx2.Client, path: str, body: bytes, kind: str = "application/json") -> httpx2.Response:
    return person.post(path, content=body, headers={"Content-Type": kind})


RIGHT_METHODS = {"/api/chat/history": ["DELETE", "GET"], "/api/chat/message/stream": ["GET", "POST", "DELETE"]}

# Where, and how.


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/chat",
        "/api/chat/message/",
        "/api/chat/message/stream/more",
        "/api//chat/history",
        "/api/chat/..%2fhistory",
        "/api/%ff%00",
        "/api/chat/history%0a",
        "/api/<script>",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_404(person: httpx2.Client, method: str, path: str) -> None:
    assert "path" in refusal(person.request(method, path), 404)


@pytest.mark.parametrize("path", [*POSTS, "/api/chat/history"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_wrong_method_is_405_and_the_right_ones_are_named(person: httpx2.Client, method: str, path: str) -> None:
    right = RIGHT_METHODS.get(path, ["POST"])
    if method not in right:
        answer = person.request(method, path)
        refusal(answer, 405)
        assert set(right) <= set(answer.headers["Allow"].split(", "))


def test_a_wrong_method_is_405_without_a_key_too(server: Server) -> None:
    for path in POSTS:
        refusal(httpx2.put(f"{server.url}{path}"), 405)


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "image/png", "*/*;q=0", "nonsense", "", "a/b" * 500]
)
@pytest.mark.parametrize("path", ["/api/chat/history", "/api/nothing"])
def test_a_wrong_accept_gets_json_all_the_same(person: httpx2.Client, path: str, accept: str) -> None:
    answer = person.get(path, headers={"Accept": accept})
    assert answer.status_code in (200, 404)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", POSTS[:1] + POSTS[2:])
def test_a_post_with_a_wrong_accept_is_served(person: httpx2.Client, path: str) -> None:
    answer = person.post(path, content=WORDS, headers={"Content-Type": "application/json", "Accept": "image/png"})
    assert answer.json()["success"] is True


def test_a_query_for_another_format_changes_nothing(person: httpx2.Client) -> None:
    assert person.get("/api/chat/history?format=html").json() == {"data": [], "success": True}


@pytest.mark.parametrize("path", [*POSTS, "/api/chat/history", "/api/nothing"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b", "localhost@evil", "é"])
def test_a_wrong_host_is_400(person: httpx2.Client, path: str, host: str) -> None:
    method = "GET" if path == "/api/chat/history" else "POST"
    sent = [(b"Host", host.encode()), (b"Content-Type", b"application/json")]
    assert "APP_URL" in refusal(person.request(method, path, content=WORDS, headers=sent), 400)


def test_a_forwarded_host_is_not_believed(person: httpx2.Client) -> None:
    answer = person.get("/api/chat/history", headers={"X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 200


# The body.


@pytest.mark.parametrize("path", POSTS)
def test_a_post_without_a_body_is_411(server: Server, path: str) -> None:
    assert "length" in refusal(send(server, head("POST", path, "Content-Type: application/json")), 411)


@pytest.mark.parametrize("path", POSTS)
def test_a_body_in_chunks_needs_no_length(person: httpx2.Client, path: str) -> None:
    pieces = (WORDS[start : start + 7] for start in range(0, len(WORDS), 7))
    assert person.post(path, content=pieces, headers={"Content-Type": "application/json"}).status_code == 200


@pytest.mark.parametrize("path", POSTS)
def test_more_than_10_mb_is_413(person: httpx2.Client, path: str) -> None:
    assert "10 MB" in refusal(post(person, path, b" " * 10_485_761), 413)


@pytest.mark.parametrize("path", POSTS)
def test_10_mb_are_read(person: httpx2.Client, path: str) -> None:
    assert post(person, path, WORDS + b" " * (10_485_760 - len(WORDS))).status_code == 200


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "text/json", "application/problem+json", "multipart/form-data; boundary=x", "json", "*/*"],
)
def test_another_media_type_is_415(person: httpx2.Client, path: str, kind: str) -> None:
    assert "application/json" in refusal(post(person, path, WORDS, kind), 415)


def test_no_media_type_is_415(server: Server) -> None:
    request = head("POST", "/api/chat/message", f"Content-Length: {len(WORDS)}") + WORDS
    refusal(send(server, request), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;charset=x"])
def test_json_may_have_parameters(person: httpx2.Client, kind: str) -> None:
    assert post(person, "/api/chat/message", WORDS, kind).status_code == 200


BODIES = {
    "empty": b"",
    "blank": b" \r\n",
    "not JSON": b"{message: 'Hi'}",
    "a form": b"message=Hi&text=Hi",
    "cut off": WORDS[:-5],
    "two of them": WORDS * 2,
    "a list": b'[{"message": "Hi"}]',
    "a string": b'"Hi"',
    "a number": b"1",
    "true": b"true",
    "null": b"null",
    "NaN": b'{"message": NaN, "text": NaN}',
    "NaN alone": b"NaN",
    "infinity": b"-Infinity",
    "beyond doubles": b'{"message": 1e999, "text": 1e999}',
    "a huge number": b'{"message": ' + b"9" * 5000 + b', "text": 1}',
    "1,000 deep": b"[" * 1000 + b"]" * 1000,
    "100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 unclosed": b"[" * 100_000,
    "deep inside": b'{"message": %b, "text": %b}' % ((b"[" * 1000 + b"]" * 1000,) * 2),
    "UTF-16": WORDS.decode().encode("utf-16"),
    "UTF-16 without a mark": WORDS.decode().encode("utf-16-le"),
    "Latin-1": '{"message": "é", "text": "é"}'.encode("latin-1"),
    "a surrogate in bytes": b'{"message": "\xed\xa0\x80", "text": "\xed\xa0\x80"}',
    "a bare NUL": b'{"message": "a\x00b", "text": "a\x00b"}',
    "nothing but NUL": b"\x00" * 1000,
    "no field": b"{}",
    "other fields": b'{"messages": ["Hi"], "texts": "Hi"}',
    "null for all": b'{"message": null, "content": null, "text": null}',
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_json_object_of_ours_is_400(person: httpx2.Client, path: str, body: bytes) -> None:
    refusal(post(person, path, body), 400)
    assert person.get("/api/chat/history").json()["data"] == []


@pytest.mark.parametrize("path", POSTS)
def test_a_byte_order_mark_is_skipped(person: httpx2.Client, path: str) -> None:
    assert post(person, path, b"\xef\xbb\xbf" + WORDS).status_code == 200


def test_of_two_equal_keys_the_last_counts(person: httpx2.Client) -> None:
    answer = post(person, "/api/chat/message", b'{"message": "one", "message": "two"}')
    assert answer.json()["data"]["content"] == [{"type": "text", "text": "You said: two"}]


def test_millions_of_values_do_not_stop_the_server(person: httpx2.Client) -> None:
    refusal(post(person, "/api/chat/message", b'{"content": [' + b"[]," * 1_000_000 + b"[]]}"), 400)


# What is hardly HTTP.


@pytest.mark.parametrize("path", POSTS)
def test_half_a_request_is_no_message(server: Server, person: httpx2.Client, path: str) -> None:
    with socket.create_connection(("127.0.0.1", int(server.env["PORT"])), timeout=10) as connection:
        request = head("POST", path, "Content-Type: application/json", "Content-Length: 1000") + WORDS
        connection.sendall(request.replace(b"a@b.co", person.headers["X-CC-EMAIL"].encode()))
    assert person.get("/api/chat/history").json()["data"] == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /api/chat/history\r\n\r\n",
        b"GET /api/chat/history HTTP/9.9\r\n\r\n",
        b"GET /api/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/ HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET /api/ HTTP/1.1\r\nHost: localhost\r\nX-CC-EMAIL: a\x00b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        head("POST", "/api/chat/message", "Content-Length: -1"),
        head("POST", "/api/chat/message", "Content-Length: 1, 1"),
        head("POST", "/api/chat/message", "Content-Length: 5", "Transfer-Encoding: chunked"),
        head("POST", "/api/chat/message", "Transfer-Encoding: chunked") + b"zz\r\n",
    ],
)
def test_what_is_not_http_is_400(server: Server, request_bytes: bytes) -> None:
    refusal(send(server, request_bytes), 400)


@pytest.mark.parametrize("head_bytes", [head("GET", "/api/" + "a" * 20_000), head("GET", "/api/", *["A: b"] * 2000)])
def test_an_endless_head_is_431(server: Server, head_bytes: bytes) -> None:
    refusal(send(server, head_bytes), 431)


# A bug.


@pytest.fixture(scope="module")
def broken_database(serve: Serve) -> str:
    """The URL of a new database."""
    url, name = serve().database_url, f"ccagent_broken_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@pytest.fixture(params=["false", "true"], ids=["production", "development"])
def broken(serve: Serve, broken_database: str, request: pytest.FixtureRequest) -> Server:
    """A server that lost tables: a bug for every endpoint."""
    server = serve(DATABASE_URL=broken_database, DEV_MODE=request.param)
    with psycopg.connect(broken_database, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS chat_message, context_document CASCADE")
    return server


@pytest.mark.parametrize("path", [*POSTS, "/api/chat/history"])
def test_a_bug_is_500_and_says_nothing_of_its_cause(broken: Server, email: str, path: str) -> None:
    with broken.client(email) as person:
        answer = person.get(path) if path == "/api/chat/history" else post(person, path, WORDS)
    sentence = refusal(answer, 500)
    assert not {"chat_message", "context_document", "relation", "psycopg", "Traceback"} & set(sentence.split())
    assert sentence == "Something went wrong on our side: try again, and tell the operator if it happens again."


def test_the_log_tells_the_cause_of_a_bug(broken: Server, email: str) -> None:
    with broken.client(email) as person:
        person.get("/api/chat/history")
    assert 'relation "chat_message" does not exist' in broken.output
