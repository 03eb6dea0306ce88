"""What a server tells those who look after it: probes, log, metrics."""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from django.db import connection

from ccagent.observability.logs import JsonFormatter, hashed, request_id_of
from ccagent.observability.views import _missing_migrations
from tests import fake_provider as fake
from tests.conftest import Serve, Server, free_port
from tests.fake_provider import FakeProvider, Gate
from tests.test_envelope import send

TOKEN = "token-of-prometheus"
QUESTION = {"message": "What does George eat?"}


@pytest.fixture
def watched(serve: Serve, provider: FakeProvider) -> Server:
    return serve(
        LOG_FORMAT="json",
        METRICS_TOKEN=TOKEN,
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
        PROVIDER_RETRIES="0",
        FALLBACK_MODELS="second",
    )


def eventually(look: Callable[[], Any]) -> Any:
    """The first thing that is found there."""
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def lines_of(server: Server, request_id: str) -> list[dict[str, Any]]:
    """What the log has of a request, once it is answered."""

    def look() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in server.output.splitlines()]
        about = [line for line in lines if line.get("request_id") == request_id]
        return about if any("status" in line for line in about) else []

    found: list[dict[str, Any]] = eventually(look)
    return found


def value(server: Server, sample: str) -> float:
    """One number of the metrics, 0 while it is not there."""
    answer = httpx2.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return next((float(number) for name, _, number in lines if name == sample), 0.0)


# Probes.


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.parametrize("host", ["localhost", "10.1.2.3:3000", "whoever.example"])
def test_a_probe_needs_neither_key_nor_the_right_host_name(server: Server, path: str, host: str) -> None:
    assert httpx2.get(server.url + path, headers={"Host": host}).status_code == 200


def test_readyz_says_what_it_looked_at(server: Server) -> None:
    answer = httpx2.get(f"{server.url}/readyz")
    assert answer.json() == {"ready": True, "server": "ok", "database": "ok", "migrations": "ok"}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_a_probe_is_only_read(server: Server, path: str) -> None:
    answer = httpx2.post(server.url + path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.django_db
def test_a_migration_that_is_missing_is_named() -> None:
    assert _missing_migrations() == []
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions'")
    assert _missing_migrations() == ["sessions.0001_initial"]


def test_a_server_that_is_about_to_end_is_alive_but_not_ready(
    watched: Server, provider: FakeProvider, email: str, tmp_path: Any
) -> None:
    ending = Server(watched.env | {"PORT": free_port(), "DATABASE_URL": watched.database_url}, tmp_path / "log")
    gate = Gate()
    gate.step()
    provider.replies(fake.text(["Hello ", "there"], gate=gate))
    with ending.client(email) as person, person.stream("POST", "/api/chat/message/stream", json=QUESTION) as stream:
        next(stream.iter_lines())
        ending.process.terminate()
        eventually(lambda: httpx2.get(f"{ending.url}/readyz").status_code == 503)
        assert httpx2.get(f"{ending.url}/readyz").json() == {"ready": False, "server": "stopping"}
        assert httpx2.get(f"{ending.url}/livez").status_code == 200
        gate.open()
    assert ending.process.wait(60) == 0


def test_probes_are_not_in_the_log(watched: Server, email: str) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        httpx2.get(watched.url + path)
    with watched.client(email) as person:
        answer = person.get("/api/chat/history")
    lines_of(watched, answer.headers["X-Request-ID"])
    assert not any(path in watched.output for path in ("/livez", "/readyz", "/metrics"))


# The log.


def test_every_line_is_an_object_from_the_first_on(watched: Server) -> None:
    lines = [json.loads(line) for line in watched.output.splitlines()]
    assert {"time", "level", "logger", "message"} <= lines[0].keys()
    assert "is ready" in str(lines)


def test_an_answer_has_its_line(watched: Server, email: str) -> None:
    with watched.client(email) as person:
        answer = person.get("/api/chat/history?limit=7")
    [line] = lines_of(watched, answer.headers["X-Request-ID"])
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/chat/history", 200)
    assert (line["level"], line["logger"], line["bytes"]) == ("INFO", "ccagent.access", len(answer.content))
    assert line["duration_ms"] >= 0


def test_neither_e_mail_nor_words_nor_key_are_in_the_log(watched: Server, email: str, provider: FakeProvider) -> None:
    provider.replies(fake.status(401))
    with watched.client(email) as person:
        answer = person.post("/api/chat/message", json=QUESTION)
    lines_of(watched, answer.headers["X-Request-ID"])
    assert not any(word in watched.output for word in (email, "George", "test-key", TOKEN))


def test_the_same_person_has_the_same_hash_and_others_have_another(watched: Server, email: str) -> None:
    hashes = []
    for who in (email, email.upper(), f"other-{email}"):
        with watched.client(who) as person:
            answer = person.get("/api/chat/history")
        hashes.append(lines_of(watched, answer.headers["X-Request-ID"])[0]["email"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_hash_is_of_no_use_without_the_key() -> None:
    assert hashed("ann@example.com", "one") != hashed("ann@example.com", "another")


def test_a_turn_is_logged_under_the_request_that_began_it(watched: Server, email: str, provider: FakeProvider) -> None:
    provider.replies(fake.status(500))
    with watched.client(email) as person:
        answer = person.post("/api/chat/message", json=QUESTION)
    assert answer.status_code == 200
    loggers = [line["logger"] for line in lines_of(watched, answer.headers["X-Request-ID"])]
    assert loggers == ["chat.agent.attempts", "ccagent.access"]


@pytest.mark.parametrize("given", ["abc-1", "a" * 128, "0:1/2+3=.x_y"])
def test_a_usable_request_id_is_taken_over(server: Server, given: str) -> None:
    assert httpx2.get(f"{server.url}/livez", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", '"quoted"', "<b>", "é"])
def test_another_one_is_replaced(server: Server, given: str) -> None:
    sent = [(b"X-Request-ID", given.encode())]
    assert len(httpx2.get(f"{server.url}/livez", headers=sent).headers["X-Request-ID"]) == 32


def test_two_of_them_are_none() -> None:
    assert request_id_of([b"one", b"two"]) not in ("one", "two")


@pytest.mark.parametrize(
    "request_head",
    [
        b"nonsense\r\n\r\n",
        b"GET /api/\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /api/chat/message HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
    ],
)
def test_what_the_server_itself_refuses_has_an_id_too(watched: Server, request_head: bytes) -> None:
    answer = send(watched, request_head)
    assert lines_of(watched, answer.headers["X-Request-ID"])[0]["status"] == answer.status_code


def test_a_trace_is_a_part_of_its_line() -> None:
    try:
        raise ValueError("bug\nin two lines")
    except ValueError:
        record = logging.LogRecord("any", logging.ERROR, "", 1, "It %s", ("failed",), sys.exc_info())
    written = JsonFormatter().format(record)
    assert "\n" not in written
    assert "in two lines" in json.loads(written)["trace"]


def test_what_else_a_record_carries_is_left_out() -> None:
    record = logging.makeLogRecord({"msg": "It failed", "request": "what a person wrote", "status": 500})
    assert json.loads(JsonFormatter().format(record)).keys() == {"time", "level", "logger", "message", "status"}


# Metrics.


def test_without_a_token_there_are_no_metrics(server: Server) -> None:
    assert httpx2.get(f"{server.url}/metrics", headers={"Authorization": "Bearer x"}).status_code == 404


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_who_lacks_the_token_reads_nothing(watched: Server, header: str) -> None:
    answer = httpx2.get(f"{watched.url}/metrics", headers=[(b"Authorization", header.encode())])
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "ccagent_" not in answer.text


def test_a_turn_is_counted_with_its_tokens(watched: Server, email: str) -> None:
    samples = [
        'ccagent_requests_total{endpoint="/api/chat/message",method="POST",status="200"}',
        'ccagent_turns_total{status="complete"}',
        "ccagent_time_to_first_token_seconds_count",
        'ccagent_tokens_total{kind="output",model="fake",provider="fake"}',
    ]
    before = [value(watched, sample) for sample in samples]
    with watched.client(email) as person:
        assert person.post("/api/chat/message", json=QUESTION).status_code == 200
    eventually(lambda: all(value(watched, sample) > was for sample, was in zip(samples, before, strict=True)))


def test_a_running_turn_is_counted_while_it_runs(watched: Server, email: str, provider: FakeProvider) -> None:
    gate = Gate()
    gate.step()
    provider.replies(fake.text(["Hello ", "there"], gate=gate))
    with watched.client(email) as person, person.stream("POST", "/api/chat/message/stream", json=QUESTION) as stream:
        next(stream.iter_lines())
        assert value(watched, "ccagent_running_turns") == 1
        gate.open()
    eventually(lambda: value(watched, "ccagent_running_turns") == 0)


@pytest.mark.parametrize("times", [1, 2])
def test_a_providers_errors_are_counted_by_kind(
    watched: Server, email: str, provider: FakeProvider, times: int
) -> None:
    sample = 'ccagent_provider_errors_total{kind="key_refused",provider="fake"}'
    before = value(watched, sample)
    provider.replies(*[fake.status(401)] * times)
    with watched.client(email) as person:
        person.post("/api/chat/message", json=QUESTION)
    eventually(lambda: value(watched, sample) == before + times)


def test_the_pool_of_connections_is_shown(watched: Server) -> None:
    assert value(watched, "ccagent_database_pool_pool_max") == 5
    assert value(watched, "ccagent_database_pool_pool_size") >= 1


def test_strangers_cannot_add_to_what_is_kept(watched: Server) -> None:
    for number in range(3):
        httpx2.request(f"BREW{number}", f"{watched.url}/nothing-{number}")
    page = httpx2.get(f"{watched.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    assert 'endpoint="other",method="other"' in page
    assert not any(word in page for word in ("BREW", "nothing-"))


def test_what_is_not_counted_costs_nothing() -> None:
    from ccagent.observability import metrics

    assert metrics.meters is None
    assert "prometheus_client" not in sys.modules
