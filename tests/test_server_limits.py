"""What the server itself answers, before or instead of the application; over real sockets, against a tiny one."""

import base64
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

SERVER = """
import asyncio, json, logging, sys
from ccagent import server, server_http

logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
gate = asyncio.Event()

async def read_body(receive):
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body

async def answer(send, body, more=False, start=True):
    if start:
        await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": more})

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await asyncio.sleep(1.5)
        return await send({"type": "websocket.send", "text": "still here"})
    body, action = await read_body(receive), scope["path"].split("/")[-1]
    if action == "raise":
        raise ValueError("what a person wrote")
    if action == "half":
        await answer(send, b"half", more=True)
        raise ValueError("what a person wrote")
    if action == "gated":
        await answer(send, b"first", more=True)
        await gate.wait()
        await answer(send, b"second", start=False)
    elif action == "open":
        gate.set()
        await answer(send, b"opened")
    elif action == "slow":
        await answer(send, b"begin ", more=True)
        await asyncio.sleep(1.5)
        await answer(send, b"end", start=False)
    elif action == "flood":
        await answer(send, b"", more=True)
        await asyncio.sleep(0.05)
        for number in range(40):
            await answer(send, b"%d," % number * 100000, more=True, start=False)
        await answer(send, b"", start=False)
    elif action == "long":
        for number in range(100):
            await answer(send, b"x" * 1_000_000, more=True, start=not number)
    elif action == "silent":
        return
    else:
        seen = {key: scope[key] for key in ("client", "root_path", "path")} | {"size": len(body)}
        seen["headers"] = {name.decode(): value.decode() for name, value in scope["headers"]}
        await answer(send, json.dumps(seen).encode())

server_http.READ_SECONDS = server_http.Channel.abortTimeout = float(sys.argv[2])
server.run(app, host="127.0.0.1", port=int(sys.argv[1]), body_limit=10 * 1024**2, drain=None, drain_seconds=1,
           on_ready=lambda: print("ready", flush=True), proxies=1)
"""

TOO_LARGE = b'{"success": false, "error": "The request is larger than the limit of 10 MB: send a smaller one."}'


FLOOD = b"".join(b"%d," % number * 100000 for number in range(40))


class Served(NamedTuple):
    port: int
    process: psutil.Process
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def talk(self, *pieces: bytes) -> bytes:
        """All that comes back until the server closes the connection."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read_all(connection)

    def get(self, target: str, *headers: str) -> tuple[str, dict[str, str], bytes]:
        """Status line, headers by lower-case name, and the body as it came (chunked or not)."""
        lines = [f"GET {target} HTTP/1.1", "Host: here", "Connection: close", *headers]
        return parsed(self.talk("\r\n".join([*lines, "", ""]).encode("latin-1")))

    def post(self, body: Any, headers: dict[str, str], *, chunked: bool = False) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/api/echo", body, headers, encode_chunked=chunked)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def parsed(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, body


def serve(folder: Path, read_seconds: float) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder / "log"
    arguments = [sys.executable, "-c", SERVER, str(port), str(read_seconds)]
    with log.open("wb") as stderr, subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=stderr) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n", log.read_text()
            yield Served(port, psutil.Process(process.pid), log)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("server"), read_seconds=60)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that waits for the parts of a request no longer than a second."""
    yield from serve(tmp_path_factory.mktemp("impatient"), read_seconds=1)


def test_a_body_over_the_limit_is_refused_by_its_announced_length(served: Served) -> None:
    answer = served.talk(b"POST /api/echo HTTP/1.1\r\nContent-Length: 10485761\r\n\r\n")
    status, headers, body = parsed(answer)
    assert (status.split()[1], body) == ("413", TOO_LARGE)
    assert headers.pop("x-request-id")
    assert headers == {
        "content-type": "application/json",
        "content-length": str(len(TOO_LARGE)),
        "access-control-allow-origin": "*",
        "connection": "close",
    }


def test_a_client_that_waits_for_100_continue_is_refused_at_once(served: Served) -> None:
    answer = served.talk(b"POST /api/echo HTTP/1.1\r\nContent-Length: 10485761\r\nExpect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_of_just_the_limit_is_read(served: Served) -> None:
    status, body = served.post(b"x" * 10 * 1024**2, {})
    assert (status, json.loads(body)["size"]) == (200, 10 * 1024**2)


def test_outside_the_api_the_refusal_is_plain_text(served: Served) -> None:
    _, headers, body = parsed(served.talk(b"POST /admin/ HTTP/1.1\r\nContent-Length: 10485761\r\n\r\n"))
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert body == b"The request is larger than the limit of 10 MB: send a smaller one.\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_a_gigabyte_is_refused_and_costs_next_to_no_memory(served: Served, chunked: bool) -> None:
    before = served.process.memory_info().rss
    peaks = []

    def body() -> Iterator[bytes]:
        for number in range(1024):
            yield b"x" * 1024**2
            if number % 64 == 0:
                peaks.append(served.process.memory_info().rss)

    headers = {} if chunked else {"Content-Length": str(1024**3)}
    assert served.post(body(), headers, chunked=chunked) == (413, TOO_LARGE)
    assert max(peaks) - before < 5 * 1024**2


def test_a_chunked_body_over_the_limit_by_a_byte_is_refused_and_that_is_all(served: Served) -> None:
    head = b"POST /api/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na00001\r\n"
    answer = served.talk(head + b"x" * (10 * 1024**2 + 1) + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"\r\n\r\n" + TOO_LARGE)


def test_a_chunked_body_within_the_limit_arrives_with_its_length(served: Served) -> None:
    _, body = served.post(iter([b"abc", b"defg"]), {}, chunked=True)
    seen = json.loads(body)
    assert (seen["size"], seen["headers"]["content-length"]) == (7, "7")
    assert "transfer-encoding" not in seen["headers"]


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: abc",
        "Content-Length: -1",
        "Content-Length: 1, 1",
        f"Content-Length: {'9' * 5000}",
        f"Content-Length: {'9' * 5000}\r\nX-Other: 1",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: gzip, chunked",
        "Bad Name: 1",
        "no colon",
        "X-Null: a\x00b",
        "X-Tab: a\x0bb",
    ],
)
def test_headers_that_make_no_sense_are_a_400_in_the_envelope(served: Served, headers: str) -> None:
    request = f"POST /api/echo HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n0\r\n\r\n"
    status, _, body = parsed(served.talk(request.encode("latin-1")))
    assert status == "HTTP/1.1 400 Bad Request"
    assert json.loads(body)["success"] is False


@pytest.mark.parametrize(
    "request_line", ["GET", "GET /api/x HTTP/9.9", "GET /api/\xa5 HTTP/1.1", "GET /api/?\xa5 HTTP/1.1", "\x16\x03\x01"]
)
def test_a_request_line_that_makes_no_sense_is_a_400_in_the_envelope(served: Served, request_line: str) -> None:
    status, headers, body = parsed(served.talk(f"{request_line}\r\nHost: here\r\n\r\n".encode("latin-1")))
    assert (status, headers["content-type"]) == ("HTTP/1.1 400 Bad Request", "application/json")
    assert json.loads(body)["error"].endswith(".")


def test_a_chunk_that_makes_no_sense_is_a_400_in_the_envelope(served: Served) -> None:
    answer = served.talk(b"POST /api/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"nonsense\r\n")
    assert parsed(answer)[0] == "HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/echo HTTP/1.1\r\nX-Long: " + b"x" * 20000 + b"\r\n\r\n",
        b"GET /api/echo HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 600 + b"\r\n",
        b"GET /api/echo HTTP/1.1\r\n" + (b"X-Wide: " + b"x" * 1000 + b"\r\n") * 30 + b"\r\n",
        b"GET /" + b"x" * 40000,
    ],
)
def test_a_head_that_is_too_long_is_a_431_in_the_envelope(served: Served, head: bytes) -> None:
    status, _, body = parsed(served.talk(head))
    assert status.split()[1] == "431"
    assert json.loads(body) == {"success": False, "error": "The request's address or headers are too long."}


def test_an_exception_of_the_application_is_a_500_that_says_nothing_of_its_cause(served: Served) -> None:
    status, _, body = served.get("/api/raise?what=private")
    assert status == "HTTP/1.1 500 Internal Server Error"
    assert json.loads(body) == {"success": False, "error": "The server could not answer: try again later."}


def test_an_exception_is_logged_with_its_trace_and_without_its_message(served: Served) -> None:
    served.get("/api/1/raise?what=private")
    log = served.log.read_text()
    assert "ccagent.server ERROR The application failed on /api/1/raise: ValueError\n  File " in log
    assert "what a person wrote" not in log


def test_an_application_that_says_nothing_is_a_500(served: Served) -> None:
    assert served.get("/api/silent")[0] == "HTTP/1.1 500 Internal Server Error"


def test_an_answer_that_breaks_off_does_not_look_whole(served: Served) -> None:
    assert served.get("/api/half")[2] == b"4\r\nhalf\r\n"


def test_nothing_says_which_server_this_is(served: Served) -> None:
    _, headers, _ = served.get("/api/echo")
    assert "server" not in headers


def test_a_connection_is_kept_for_pipelined_requests_and_head(served: Served) -> None:
    requests = b"HEAD /api/head HTTP/1.1\r\n\r\nGET /api/one HTTP/1.1\r\n\r\nGET /api/two HTTP/1.0\r\n\r\n"
    answer = served.talk(requests)
    assert answer.count(b" 200 OK\r\n") == 3
    assert b'"/api/one"' in answer
    assert b'"/api/head"' not in answer


def test_a_caller_cannot_set_the_script_name(served: Served) -> None:
    assert b'"root_path": ""' in served.get("/api/echo", "Daphne-Root-Path: /elsewhere")[2]


def test_the_client_is_the_one_that_the_proxy_saw(served: Served) -> None:
    assert b'"client": ["192.0.2.7", 0]' in served.get("/api/echo", "X-Forwarded-For: 10.6.6.6, 192.0.2.7")[2]


@pytest.mark.parametrize("value", ["", "unknown", "\xff", "1.2.3.4:80, x"])
def test_a_forwarded_address_that_is_none_is_ignored(served: Served, value: str) -> None:
    _, _, body = served.get("/api/echo?", f"X-Other: 1\r\nX-Forwarded-For: {value}".encode().decode("latin-1"))
    assert b'"client": ["127.0.0.1"' in body


def test_a_piece_of_an_answer_leaves_before_the_next_one_is_written(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET /api/gated HTTP/1.1\r\nConnection: close\r\n\r\n")
        while b"first" not in connection.recv(65536):
            pass
        served.get("/api/open")
        assert read_all(connection) == b"6\r\nsecond\r\n0\r\n\r\n"


def test_a_reader_slower_than_the_application_gets_every_byte(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", "/api/flood")
    response = connection.getresponse()
    served.get("/api/echo")  # the flood is written by now, and has filled the socket
    assert response.read() == FLOOD
    connection.close()


def test_each_answer_is_a_line_of_the_access_log_without_its_query(served: Served) -> None:
    served.get("/api/logged/%1B?email=someone@example.com")
    served.talk(b"POST /api/refused HTTP/1.1\r\nContent-Length: 10485761\r\n\r\n")
    log = served.log.read_text()
    assert "ccagent.access INFO GET /api/logged/%1B 200 " in log
    assert "ccagent.access INFO POST /api/refused 413 " in log
    assert "someone" not in log


@pytest.mark.parametrize(
    "beginning",
    [b"GET /api/echo HTTP/1.1\r\nX-Half: ", b"POST /api/echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"],
)
def test_a_request_that_never_ends_is_a_408(impatient: Served, beginning: bytes) -> None:
    assert parsed(impatient.talk(beginning))[0] == "HTTP/1.1 408 Request Timeout"


def test_a_head_that_comes_byte_by_byte_is_a_408(impatient: Served) -> None:
    with impatient.connect() as connection:
        connection.sendall(b"GET /api/echo HTTP/1.1\r\nX-Long: ")
        connection.settimeout(0.3)
        answer = b""
        while not answer:
            connection.sendall(b"x")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert parsed(answer)[0] == "HTTP/1.1 408 Request Timeout"


def test_a_body_that_comes_slowly_but_steadily_is_read(impatient: Served) -> None:
    with impatient.connect() as connection:
        connection.sendall(b"POST /api/echo HTTP/1.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
        connection.settimeout(0.5)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.sendall(b"x")
        connection.settimeout(20)
        assert b'"size": 4' in read_all(connection)


def test_a_connection_without_a_request_is_closed_without_a_word(impatient: Served) -> None:
    assert impatient.talk() == b""


def test_an_answer_may_take_longer_than_a_request(impatient: Served) -> None:
    assert impatient.get("/api/slow")[2].endswith(b"3\r\nend\r\n0\r\n\r\n")


def test_a_slow_reader_of_a_large_answer_gets_it_all(impatient: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", impatient.port, timeout=20)
    connection.request("GET", "/api/flood")
    response, answer = connection.getresponse(), b""
    for _ in range(10):
        time.sleep(0.3)
        answer += response.read(500_000)
    answer += response.read()
    assert len(answer) == len(FLOOD)
    connection.close()


def test_an_answer_is_not_made_for_somebody_who_does_not_read_it(impatient: Served) -> None:
    peak = before = impatient.process.memory_info().rss
    with impatient.connect() as connection:
        connection.sendall(b"GET /api/long HTTP/1.1\r\nHost: here\r\n\r\n")
        deadline = time.monotonic() + 30
        while "GET /api/long" not in impatient.log.read_text():  # until it is given up
            assert time.monotonic() < deadline
            peak = max(peak, impatient.process.memory_info().rss)
            time.sleep(0.01)
    assert peak - before < 30e6


def test_a_websocket_may_be_silent_for_longer_than_a_request(impatient: Served) -> None:
    key = base64.b64encode(b"sixteen bytes ok").decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
    with impatient.connect() as connection:
        connection.sendall(f"GET /live HTTP/1.1\r\nHost: here\r\n{upgrade}\r\n\r\n".encode())
        received = b""
        while b"still here" not in received:
            piece = connection.recv(65536)
            assert piece, received
            received += piece
