"""How the server ends: a real one in a process of its own, with an application that does what its paths say."""

import base64
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

SERVER = """
import asyncio, logging, os, signal, sys, time
from ccagent import server

logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
port, kind, seconds, server.FLUSH_SECONDS = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
released, draining = asyncio.Event(), asyncio.Event()

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    action = scope["path"].strip("/")
    body = str(scope["state"]["draining"]).encode()
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if action == "stuck":
        print("stuck", flush=True)
        await asyncio.Event().wait()
    await send(start)
    if action == "stream":
        await send({"type": "http.response.body", "body": b"begin", "more_body": True})
        await released.wait()
        body = b"end"
    elif action == "endless":
        try:
            await send({"type": "http.response.body", "body": b"begin", "more_body": True})
            await asyncio.Event().wait()
        finally:
            print("cancelled", flush=True)
    elif action == "large":
        body = b"x" * 8_000_000
    elif action == "release":
        released.set()
    await send({"type": "http.response.body", "body": body})

async def drain():
    print("draining", flush=True)
    if kind == "fails":
        raise ValueError("what a person wrote")
    await released.wait()
    print("drained", flush=True)

try:
    server.run(app, host="127.0.0.1", port=port, body_limit=1000, drain=None if kind == "none" else drain,
               drain_seconds=seconds, on_ready=lambda: print("ready", flush=True))
except server.ServerError as error:
    sys.exit(str(error))
os.kill(os.getpid(), signal.SIGTERM)
print("ended", flush=True)
"""


def command(port: int, kind: str, drain: float, flush: float) -> list[str]:
    return [sys.executable, "-W", "default", "-c", SERVER, str(port), kind, str(drain), str(flush)]


class Served:
    def __init__(self, folder: Path, kind: str, drain: float, flush: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.log = folder / "log"
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command(self.port, kind, drain, flush), stdout=subprocess.PIPE, stderr=stderr
            )
        self.wait_for("ready")

    def wait_for(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n".encode(), self.log.read_text()

    def open(self, path: str) -> socket.socket:
        """A connection on which a request has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return connection

    def stream(self, path: str) -> socket.socket:
        """A connection on which the answer has begun."""
        connection = self.open(path)
        receive(connection, b"begin\r\n")
        return connection

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def end(self) -> str:
        """What the process logged, when it has ended as it should."""
        assert self.process.wait(20) == 0
        self.wait_for("ended")
        log = self.log.read_text()
        assert "Traceback" not in log
        assert "Warning" not in log
        assert "destroyed" not in log
        return log


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    """By default a server that drains until `/release` is asked for, and has time for that and for flushing."""
    served = Served(tmp_path, *getattr(request, "param", ("waits", 60, 60)))
    yield served
    served.process.kill()
    served.process.communicate()


def receive(connection: socket.socket, end: bytes | None = None) -> bytes:
    """What comes until `end`, or until the connection's end."""
    received = bytearray()
    while end is None or not received.endswith(end):
        piece = connection.recv(65536)
        if not piece:
            assert end is None, received
            break
        received += piece
    return bytes(received)


def keep_asking(served: Served) -> None:
    while True:
        with served.open("/other") as connection:
            receive(connection)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_stream_is_served_to_its_end(served: Served, number: int) -> None:
    with served.stream("/stream") as stream:
        served.stop(number)
        served.wait_for("draining")
        served.open("/release").close()
        assert receive(stream) == b"3\r\nend\r\n0\r\n\r\n"
    served.wait_for("drained")
    served.end()


def test_while_draining_new_connections_are_answered_and_told_so(served: Served) -> None:
    with served.stream("/stream"):
        served.stop()
        served.wait_for("draining")
        with served.open("/other") as connection:
            answer = receive(connection)
        served.open("/release").close()
    assert answer.endswith(b"\r\n\r\n4\r\nTrue\r\n0\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in answer


def test_before_the_signal_nothing_says_draining(served: Served) -> None:
    with served.open("/other") as connection:
        assert b"\r\n\r\n5\r\nFalse\r\n" in receive(connection, b"0\r\n\r\n")


@pytest.mark.parametrize("served", [("waits", 60, 5)], indirect=True)
def test_after_draining_nobody_can_connect(served: Served) -> None:
    with served.open("/stuck") as stuck:
        served.wait_for("stuck")
        served.stop()
        served.wait_for("draining")
        served.open("/release").close()
        served.wait_for("drained")
        with pytest.raises(ConnectionError):
            keep_asking(served)
        stuck.settimeout(0.1)
        with pytest.raises(TimeoutError):
            stuck.recv(1)


@pytest.mark.parametrize("served", [("waits", 0.1, 0.1)], indirect=True)
def test_what_is_still_running_after_the_time_is_cancelled_and_looks_cut(served: Served) -> None:
    with served.stream("/endless") as stream:
        served.stop()
        served.wait_for("draining")
        assert receive(stream) == b""
    served.wait_for("cancelled")
    assert "5 bytes, cut short" in served.end()


@pytest.mark.parametrize("served", [("none", 60, 0.1)], indirect=True)
def test_a_request_without_an_answer_gets_a_503(served: Served) -> None:
    with served.open("/stuck") as connection:
        served.wait_for("stuck")
        served.stop()
        assert receive(connection).startswith(b"HTTP/1.1 503 ")
    served.end()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(served: Served, first: int) -> None:
    with served.stream("/endless") as stream:
        served.stop(first)
        served.wait_for("draining")
        served.stop(signal.SIGTERM)
        assert receive(stream) == b""
    served.wait_for("cancelled")
    served.end()


@pytest.mark.parametrize("served", [("fails", 60, 60)], indirect=True)
def test_a_drain_that_fails_is_logged_and_the_end_is_clean(served: Served) -> None:
    served.stop()
    served.wait_for("draining")
    log = served.end()
    assert "ccagent.server ERROR The server's end is not as clean as it should be: ValueError" in log
    assert "what a person wrote" not in log


@pytest.mark.parametrize("served", [("none", 60, 60)], indirect=True)
def test_connections_without_a_running_request_are_closed_at_once(served: Served) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(served.open("/other")) for _ in range(3)]
        for connection, beginning in zip(connections, [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nX: "], strict=True):
            receive(connection, b"0\r\n\r\n")
            connection.sendall(beginning)
        served.stop()
        assert [receive(connection) for connection in connections] == [b"", b"", b""]
    served.end()


@pytest.mark.parametrize("served", [("none", 60, 60)], indirect=True)
def test_an_answer_still_on_its_way_arrives_whole(served: Served) -> None:
    with served.open("/large") as connection:
        head = connection.recv(10)
        served.stop()
        answer = head + receive(connection)
    assert answer.count(b"x") == 8_000_000
    assert answer.endswith(b"x\r\n0\r\n\r\n")


@pytest.mark.parametrize("served", [("none", 60, 0.1)], indirect=True)
def test_a_reader_who_never_reads_does_not_delay_the_end(served: Served) -> None:
    with served.open("/large") as connection:
        connection.recv(10)
        served.stop()
        served.end()


@pytest.mark.parametrize("served", [("none", 60, 60)], indirect=True)
def test_a_websocket_is_told_that_the_server_goes_away_and_may_answer(served: Served) -> None:
    key = base64.b64encode(b"sixteen bytes ok").decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(f"GET /live HTTP/1.1\r\nHost: here\r\n{upgrade}\r\n\r\n".encode())
        receive(connection, b"\r\n\r\n")
        served.stop()
        assert connection.recv(100) == b"\x88\x02\x03\xe9"  # a close frame with code 1001
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):  # the server waits a moment for ours
            connection.recv(1)
        connection.sendall(b"\x88\x82\0\0\0\0\x03\xe9")
        served.end()


def test_a_port_in_use_is_one_sentence(served: Served) -> None:
    again = command(served.port, "none", 1, 1)
    second = subprocess.run(again, capture_output=True, text=True, timeout=20, check=False)
    assert second.stderr == f"The server cannot listen on port {served.port} of 127.0.0.1: address already in use.\n"
    assert second.returncode == 1
